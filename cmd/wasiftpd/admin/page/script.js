// Keeps the status page as it is on the server now. All text comes into it by textContent. Only a
// page of this server is made markup of, in which the server has escaped what is not its own.
"use strict";

const $ = (id) => document.getElementById(id);
const markup = window.trustedTypes?.createPolicy("page", { createHTML: (text) => text }) ?? { createHTML: (text) => text };

// fetched is a page of this server. If that asks for a token, so does the browser.
async function fetched(url, options) {
	const response = await fetch(url, { headers: { Accept: "text/html" }, ...options });
	if (new URL(response.url).pathname === "/login") location.assign("/login");
	return [response.ok, new DOMParser().parseFromString(markup.createHTML(await response.text()), "text/html")];
}

// Text for people, as the server writes it.

function size(bytes) {
	if (bytes < 1024) return `${bytes} B`;
	const power = Math.floor(Math.log(bytes) / Math.log(1024));
	const value = Math.round((bytes / 1024 ** power) * 10) / 10;
	return `${value.toFixed(value < 10 ? 1 : 0)} ${"KMGTPE"[power - 1]}iB`;
}

const clean = (text) => text.replace(/\p{C}|(?! )\p{Z}/gu, "\ufffd");
const clock = (time) => (time.slice(0, 10) === today ? time.slice(11, 19) : time.slice(0, 16).replace("T", " "));
let today = "";

// set writes a text. What has not changed is left alone, so that it can be marked and copied.
function set(element, text, title = "") {
	if (element.textContent !== text) element.textContent = text;
	if (element.title !== title) element.title = title;
}

const exact = (bytes) => `${bytes.toLocaleString("en")} bytes`;

// Sessions and totals, each second.

function showLive({ time, totals, sessions }) {
	today = time.slice(0, 10);
	for (const element of document.querySelectorAll("[data-total]")) {
		const name = element.dataset.total, n = totals[name];
		if (name.endsWith("_rate")) set(element, `${size(n)}/s`);
		else if (name === "sent" || name === "received") set(element, size(n), exact(n));
		else set(element, String(n));
	}
	const rows = $("sessions").tBodies[0];
	const open = new Set(sessions.map((session) => `session-${session.id}`));
	for (const row of [...rows.rows]) if (!open.has(row.id)) row.remove();
	let place = rows.firstElementChild;
	for (const session of sessions) {
		let row = $(`session-${session.id}`);
		if (row) place = row.nextElementSibling;
		else {
			row = $("session").content.firstElementChild.cloneNode(true);
			row.id = `session-${session.id}`;
			rows.insertBefore(row, place);
		}
		showSession(row, session);
	}
	$("no-sessions").hidden = sessions.length > 0;
	$("more-sessions").hidden = sessions.length === totals.sessions;
}

function showSession(row, s) {
	const texts = {
		id: String(s.id), user: clean(s.user ?? ""), client: s.client, doing: s.doing ?? "", path: clean(s.path ?? ""),
		bytes: s.bytes ? size(s.bytes) : "", rate: s.rate ? `${size(s.rate)}/s` : "", program: clean(s.program ?? ""),
		tls: s.tls ?? "", began: clock(s.began),
	};
	for (const cell of row.querySelectorAll("[data-is]")) {
		const name = cell.dataset.is;
		set(cell, texts[name], name === "bytes" && s.bytes ? exact(s.bytes) : "");
	}
	const end = row.querySelector("[data-ask]");
	if (end) {
		end.href = `/confirm?do=kick&id=${s.id}`;
		end.setAttribute("aria-label", `End session ${s.id}`);
	}
}

// Events as they come, the latest on top.

const mostEvents = 100;

function showEvent(line, id) {
	const table = $("events");
	const row = $("event").content.firstElementChild.cloneNode(true);
	const event = JSON.parse(line);
	table.dataset.last = id;
	today = event.time.slice(0, 10);
	row.className = event.level.toLowerCase();
	const texts = { level: row.className, event: event.msg, user: event.user ?? "", client: event.client ?? "" };
	for (const [name, text] of Object.entries(texts)) row.querySelector(`[data-is=${name}]`).textContent = clean(text);
	const time = document.createElement("time");
	time.dateTime = event.time;
	time.textContent = clock(event.time);
	row.querySelector("[data-is=time]").append(time);
	const apart = table.dataset.apart.split(" ");
	for (const [key, value] of Object.entries(event)) {
		if (apart.includes(key)) continue;
		const detail = document.createElement("span"), name = document.createElement("b"), text = document.createElement("bdi");
		name.textContent = key;
		text.textContent = key === "bytes" || key === "rate" ? size(value) : clean(String(value));
		detail.append(name, " ", text);
		row.querySelector("[data-is=details]").append(detail, " ");
	}
	const rows = table.tBodies[0];
	rows.prepend(row);
	while (rows.rows.length > mostEvents) rows.lastElementChild.remove();
	$("no-events").hidden = true;
}

// The rest of the page, now and then.

async function refresh() {
	try {
		const [ok, page] = await fetched(location.href);
		for (const old of ok ? document.querySelectorAll("[data-fresh]") : []) replace(old, page.getElementById(old.id));
		const state = page.getElementById("state");
		if (state) {
			set($("state"), state.textContent);
			$("state").className = state.className;
		}
	} catch {
		// the streams tell that the server is not there
	}
}

// replace leaves what somebody has marked, and the focus where it is.
function replace(old, fresh) {
	const marked = getSelection();
	if (!fresh || !marked.isCollapsed && marked.containsNode(old, true)) return;
	const focus = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
	old.replaceWith(document.adoptNode(fresh));
	if (focus) [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === focus)?.focus({ preventScroll: true });
}

function notice(text) {
	$("notice").hidden = false;
	$("notice").textContent = text;
}

// Streams, while the page is seen.

const again = 3000, refreshed = 10000; // milliseconds
let streams = [], timers = [];

function connection(text) {
	set($("connection"), text);
	$("connection").className = text === "live" ? "good" : "bad";
}

function stream(url, show) {
	const source = new EventSource(url());
	streams.push(source);
	source.onmessage = show;
	source.addEventListener("missed", ({ data }) => notice(`${JSON.parse(data).events} events came too quickly to be shown.`));
	source.onopen = () => connection("live");
	source.onerror = () => {
		connection("not connected, trying again");
		if (source.readyState !== EventSource.CLOSED) return; // the browser tries
		streams = streams.filter((other) => other !== source);
		timers.push(setTimeout(async () => {
			await refresh(); // which goes to the login if there must be one
			stream(url, show);
		}, again));
	};
}

function begin() {
	stream(() => "/v1/live", ({ data }) => showLive(JSON.parse(data)));
	stream(() => {
		const query = new URLSearchParams(location.search);
		query.set("after", $("events").dataset.last);
		return `/v1/events?${query}`;
	}, ({ data, lastEventId }) => showEvent(data, lastEventId));
	timers.push(setInterval(refresh, refreshed));
}

function end() {
	for (const source of streams) source.close();
	for (const timer of timers) clearTimeout(timer);
	streams = [];
	timers = [];
}

document.addEventListener("visibilitychange", () => {
	end();
	if (!document.hidden) {
		refresh();
		begin();
	}
});
begin();

// Questions, in a dialog.

function ask(page) {
	const dialog = $("question");
	dialog.replaceChildren(...document.adoptNode(page.querySelector("main")).childNodes);
	if (!dialog.open) dialog.showModal();
}

async function follow(event, url, options) {
	event.preventDefault();
	try {
		const [ok, page] = await fetched(url, options);
		if (!ok || page.querySelector("main form")) return ask(page);
		notice(page.querySelector("main p").textContent);
	} catch {
		notice("The server did not answer. Perhaps nothing has happened.");
	}
	$("question").close();
	refresh();
}

document.addEventListener("click", (event) => {
	const link = event.target.closest("a");
	if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
	if (link.matches("[data-ask]")) follow(event, link.href);
	else if (link.closest("dialog")) {
		event.preventDefault();
		$("question").close();
	}
});

document.addEventListener("submit", (event) => {
	if (!event.target.closest("dialog")) return;
	follow(event, event.target.action, { method: "POST", body: new URLSearchParams(new FormData(event.target)) });
});
