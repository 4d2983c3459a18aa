// Uses the status page of wasiftpd in Chromium: status.js chromium url token folder. An upload of
// bob must be under way, with hostile names; it is ended at last. folder gets screenshots.
"use strict";
const assert = require("assert");
const path = require("path");
const { chromium } = require("playwright-core");
const { quiet } = require("./chromium");

async function main(executablePath, url, token, folder) {
	const browser = await chromium.launch({ executablePath, args: quiet });
	try {
		const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 } });
		const page = await context.newPage();
		const errors = [];
		page.on("pageerror", (err) => errors.push(String(err)));
		page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
		const shoot = (name) => page.screenshot({ path: path.join(folder, name + ".png"), fullPage: true });

		await page.goto(url);
		await shoot("login");
		await page.getByLabel("Token").fill(token);
		await page.getByRole("button", { name: "Log in" }).click();
		await page.locator("#connection", { hasText: "live" }).waitFor();

		// What moves is seen to move.
		const row = page.locator("#sessions tbody tr", { hasText: "bob" });
		const rate = row.locator("[data-is=rate]"), bytes = row.locator("[data-is=bytes]");
		await rate.filter({ hasText: /iB\/s$/ }).waitFor();
		const before = await bytes.getAttribute("title");
		await page.waitForFunction((before) => document.querySelector("[data-is=bytes][title]")?.title !== before, before);
		await page.locator("[data-total=received_rate]").filter({ hasText: /iB\/s$/ }).waitFor();

		// Names stay text.
		assert.match(await row.locator("[data-is=path]").innerText(), /<img src=x onerror=.*>\ufffdgpj\.\ufffd/);
		assert.strictEqual(await page.locator("img").count(), 0);

		// The plot is drawn once a point is there, and the page is filled anew without being loaded.
		await page.locator("#rates path.received:not(.area)").waitFor({ state: "attached", timeout: 60000 });
		await shoot("light");
		await page.emulateMedia({ colorScheme: "dark" });
		await shoot("dark");
		await page.setViewportSize({ width: 390, height: 844 });
		await shoot("phone-dark");
		await page.emulateMedia({ colorScheme: "light" });
		await shoot("phone");
		const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
		assert.strictEqual(wide, 0, `the page is ${wide} pixels wider than a phone`);
		await page.setViewportSize({ width: 1280, height: 900 });

		// Events are filtered, and those that come are filtered too.
		await page.getByLabel("Text").fill("no such thing");
		await page.getByRole("button", { name: "Filter" }).click();
		await page.getByText("None of the last 1,000 events is like that.").waitFor();
		await page.getByLabel("Text").fill("disconnected");
		await page.getByRole("button", { name: "Filter" }).click();
		await page.locator("#connection", { hasText: "live" }).waitFor();
		assert.strictEqual(await page.locator("#events tbody tr").count(), 0);

		// A ban, and its end.
		await page.getByRole("link", { name: "Ban an address or network" }).click();
		const question = page.getByRole("dialog");
		await question.getByLabel("Address or network").fill("192.0.2.0/33");
		await question.getByRole("button", { name: "Ban" }).click();
		await question.getByText("is no network such as").waitFor();
		await shoot("question");
		errors.splice(errors.findIndex((text) => text.includes("status of 400")), 1);
		await question.getByLabel("Address or network").fill("192.0.2.0/24");
		await question.getByRole("button", { name: "Ban" }).click();
		await page.locator("#notice", { hasText: "The ban has begun." }).waitFor();
		await page.locator("#bans", { hasText: "192.0.2.0/24" }).waitFor();

		// A session ends when the question is answered, not before.
		await row.getByRole("link", { name: /^End session/ }).click();
		await question.getByRole("link", { name: "Cancel" }).click();
		await question.waitFor({ state: "hidden" });
		assert.strictEqual(await row.count(), 1);
		await row.getByRole("link", { name: /^End session/ }).click();
		await question.getByLabel("Text of the reply").fill("Enough.");
		await shoot("kick");
		await question.getByRole("button", { name: "End the session" }).click();
		await page.locator("#notice", { hasText: "has ended." }).waitFor();
		await row.waitFor({ state: "detached" });
		await page.locator("#events tbody tr", { hasText: "disconnected" }).waitFor();
		await shoot("after");
		assert.notStrictEqual(await page.title(), "owned");
		assert.deepStrictEqual(errors, []);

		// A visit that ended elsewhere ends here too.
		await page.request.post(url + "/logout");
		await page.locator("#connection", { hasText: "not connected, trying again" }).waitFor();
		await page.waitForURL("**/login");
	} finally {
		await browser.close();
	}
}

main(...process.argv.slice(2)).catch((err) => {
	console.error(err);
	process.exit(1);
});
