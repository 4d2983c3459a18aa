// Uses host/examples/browser in Chromium: browser.js chromium url [screenshot]. Standard input
// has the steps, one JSON array a line: ["type", line, reply], ["drop", name, content, reply],
// ["click", name, reply] or ["save", name, content].
"use strict";
const assert = require("assert");
const fs = require("fs");
const os = require("os");
const path = require("path");
const { chromium } = require("playwright-core");
const { quiet } = require("./chromium");

async function main(executablePath, url, screenshot) {
	const browser = await chromium.launch({ executablePath, args: quiet });
	try {
		const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
		const errors = [];
		page.on("pageerror", (err) => errors.push(err));
		page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
		await page.goto(url);
		const screen = page.locator("#screen");
		await screen.getByText("220 ").waitFor();
		for (const [verb, ...args] of fs.readFileSync(0, "utf8").trim().split("\n").map((line) => JSON.parse(line))) {
			await actions[verb](page, screen, ...args);
		}
		if (screenshot) await page.screenshot({ path: screenshot });
		assert.deepStrictEqual(errors, []);
	} finally {
		await browser.close();
	}
}

// answered calls act, and waits for one more line that contains want.
async function answered(screen, want, act) {
	const line = screen.locator("p, pre").getByText(want);
	const before = await line.count();
	await act();
	try {
		await line.nth(before).waitFor({ timeout: 20000 });
	} catch {
		throw new Error(`no ${want} in:\n${await screen.innerText()}`);
	}
}

const actions = {
	async type(page, screen, line, reply) {
		await answered(screen, reply, async () => {
			await page.locator("#line").fill(line);
			await page.keyboard.press("Enter");
		});
	},
	async drop(page, screen, name, content, reply) {
		const data = await page.evaluateHandle(([name, content]) => {
			const data = new DataTransfer();
			data.items.add(new File([content], name));
			return data;
		}, [name, content]);
		await answered(screen, reply, () => page.dispatchEvent("#drop", "drop", { dataTransfer: data }));
	},
	async click(page, screen, name, reply) {
		await answered(screen, reply, () => page.locator("#files").getByRole("button", { name, exact: true }).click());
	},
	async save(page, screen, name, content) {
		const link = screen.getByRole("link", { name: `save ${name}`, exact: true }).last();
		const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
		const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "wasiftp-")), "saved");
		await download.saveAs(file);
		assert.strictEqual(fs.readFileSync(file, "utf8"), content);
		fs.rmSync(path.dirname(file), { recursive: true });
	},
};

main(...process.argv.slice(2)).catch((err) => {
	console.error(err);
	process.exit(1);
});
