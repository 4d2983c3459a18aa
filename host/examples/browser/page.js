// The page: a server, and a terminal to talk to it.

import { bytes, rights, text } from '../js/abi.js';
import { crc32 } from '../js/crc32.js';
import { Server } from '../js/server.js';
import { Client } from './client.js';
import { md5 } from './md5.js';
import { Memory } from './memory.js';
import { Ports, connection, here } from './network.js';

const $ = (id) => document.getElementById(id);
const maxShown = 8192; // bytes of a download that are shown
const hints = ['USER demo', 'PASS demo', 'FEAT', 'LIST', 'RETR welcome.txt', 'put hello.txt Hello from a page!', 'MKD photos',
  'MLSD', 'HASH welcome.txt', 'DELE hello.txt', 'STAT', 'HELP', 'QUIT'];
const welcome = `Welcome. This file lives in the memory of your browser.

RETR fetched it over a data connection, which the engine opened by EPSV and the
page connected to. Try: put NAME TEXT, then LIST, then RETR NAME.
`;

// Names and lines are bytes in the code; people see and type UTF-8.
const shown = (latin1) => new TextDecoder().decode(bytes(latin1));
const typed = (string) => text(new TextEncoder().encode(string));

function add(element, kind, content) {
  const added = document.createElement(element);
  added.className = kind;
  added.append(content);
  $('screen').append(added);
  $('screen').scrollTop = $('screen').scrollHeight;
  return added;
}

const colours = { 1: 'wait', 2: 'good', 3: 'wait', 4: 'bad', 5: 'bad' };
let colour = '';

// say shows a line of the control connection.
function say(kind, line) {
  if (kind !== 'reply') return add('p', kind, `${kind === 'own' ? '(by the page) ' : 'ftp> '}${shown(line)}`);
  colour = /^[1-5]\d\d[ -]/.test(line) ? colours[line[0]] : colour;
  return add('p', colour, shown(line));
}

// show shows the bytes of a download.
function show(line, data) {
  const name = line.split(' ').slice(1).join(' ').split('/').at(-1) || 'listing.txt';
  const isText = !data.subarray(0, maxShown).includes(0);
  if (isText && data.length > 0) add('pre', '', new TextDecoder().decode(data.subarray(0, maxShown)).trimEnd());
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([data]));
  link.download = shown(name);
  link.textContent = `save ${shown(name)}`;
  const note = document.createDocumentFragment();
  const part = isText && data.length > maxShown ? `, of which these are the first ${maxShown}` : '';
  note.append(`${data.length} bytes came over the data connection${part} · `, link);
  add('p', 'note', note);
}

// digest is a hash for HASH: CRC-32, MD5, or one of the browser's. The last two need all
// bytes at once.
function digest(algorithm) {
  if (algorithm === 'crc32') return crc32();
  const name = { sha256: 'SHA-256', sha512: 'SHA-512', sha1: 'SHA-1' }[algorithm];
  const pieces = [];
  return {
    update: (data) => pieces.push(data),
    async digest() {
      const data = new Uint8Array(await new Blob(pieces).arrayBuffer());
      return name ? new Uint8Array(await crypto.subtle.digest(name, data)) : md5(data);
    },
  };
}

// tree gives [name, node] of all files and folders.
function* tree(node, path = '') {
  for (const [name, child] of [...node.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield [path + name, child];
    if (child.children) yield* tree(child, `${path}${name}/`);
  }
}

const files = new Memory(() => showFiles());
const ports = new Ports();
let client;
let busy = Promise.resolve(); // commands take their turn

function showFiles() {
  $('files').replaceChildren(...[...tree(files.root)].map(([name, node]) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    const size = document.createElement('span');
    button.textContent = shown(name) + (node.children ? '/' : '');
    button.onclick = () => type(`${node.children ? 'LIST' : 'RETR'} /${shown(name)}`);
    size.textContent = node.children ? '' : `${node.content.length} B`;
    item.append(button, size);
    return item;
  }));
}

// type runs a command that a person typed; content is the bytes of an upload.
function type(line, content) {
  busy = busy.then(() => obey(line, content)).catch((err) => add('p', 'bad', err.message));
  return busy;
}

async function obey(line, content) {
  if (!client || client.over) await connect();
  const [, name, words] = line.match(/^put\s+(\S+)\s*(.*)$/is) ?? [];
  const command = typed(name ? `STOR ${name}` : line);
  const data = await client.command(command, name ? new TextEncoder().encode(`${words}\n`) : content);
  if (data) show(command, data);
  if (client.over) add('p', 'note', 'The server has hung up. Whatever you type next connects anew.');
}

async function connect() {
  const [server, mine] = connection();
  client = new Client(mine, (port) => ports.connect(port), say);
  ftp.open(server, here, { ...here, port: 50000 });
  client.listen();
  await client.reply(); // the greeting
}

async function store(list) {
  for (const file of list) {
    await type('TYPE I');
    await type(`STOR ${file.name}`, new Uint8Array(await file.arrayBuffer()));
  }
}

const accounts = { demo: { password: 'demo', rights: rights.rw }, anonymous: { rights: rights.ro } };

function login(user, password) {
  const account = Object.hasOwn(accounts, user) && accounts[user];
  return account && (account.password ?? password) === password ? { rights: account.rights, files } : undefined;
}

const response = await fetch('../../wasiftp.wasm');
if (!response.ok) add('p', 'bad', 'There is no ../../wasiftp.wasm: serve the folder host, of which this page is a part.');
const module = await response.arrayBuffer();
$('size').textContent = `${(module.byteLength / 1e6).toFixed(1)} MB`;
const ftp = new Server(await WebAssembly.compile(module), {
  login, ports, digest: crypto.subtle && digest,
  dial: () => Promise.reject(Object.assign(new Error(), { code: 'ECONNREFUSED' })), log: (line) => add('p', 'bad', line),
});
files.root.children.set('welcome.txt', {
  content: new TextEncoder().encode(welcome), mtime: BigInt(Date.now()) * 1000000n, mode: 0o644,
});
showFiles();

const earlier = [];
let at = 0;
$('prompt').onsubmit = (event) => {
  event.preventDefault();
  const line = $('line').value;
  $('line').value = '';
  if (!line.trim()) return;
  at = earlier.push(line);
  type(line);
};
$('line').onkeydown = (event) => {
  if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
  event.preventDefault();
  at = Math.min(Math.max(at + (event.key === 'ArrowUp' ? -1 : 1), 0), earlier.length);
  $('line').value = earlier[at] ?? '';
};
$('hints').replaceChildren(...hints.map((hint) => {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = hint;
  button.onclick = () => {
    $('line').focus();
    type(hint);
  };
  return button;
}));
$('choose').onchange = () => store($('choose').files);
document.ondragover = (event) => {
  event.preventDefault();
  document.body.classList.add('over');
};
document.ondragleave = () => document.body.classList.remove('over');
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove('over');
  store(event.dataTransfer.files);
};

busy = connect();
