#!/usr/bin/env node
// wasiftp in Node.js: serves a folder by FTP with the engine in wasiftp.wasm.

import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { parseArgs } from 'node:util';
import { rights } from '../js/abi.js';
import { Server } from '../js/server.js';
import { crc32 } from '../js/crc32.js';
import { Files } from './files.js';
import { Ports, address, control, deflated, dial, listen } from './network.js';

const usage = `usage: node main.js [flags]

  --module FILE                 the engine; ../../wasiftp.wasm by default
  --listen ADDR                 where to listen, repeatable; 127.0.0.1:2121 by default
  --root DIR                    the folder; the current one by default
  --user NAME:PASSWORD[:ro|rw]  a user, who may read unless said; repeatable
  --anonymous off|ro|rw         what those without a password may do; ro when there is no user, else off
  --passive-ports A-B           ports for passive data connections; any free one by default
  --help
`;

function fail(text) {
  console.error(`${text}; see --help`);
  process.exit(2);
}

function options() {
  const text = { type: 'string' };
  const many = { type: 'string', multiple: true, default: [] };
  try {
    return parseArgs({
      options: {
        module: { ...text, default: new URL('../../wasiftp.wasm', import.meta.url).pathname }, listen: many,
        root: { ...text, default: '.' }, user: many, anonymous: text, 'passive-ports': text, help: { type: 'boolean' },
      },
    }).values;
  } catch (err) {
    return fail(err.message.split('\n')[0]);
  }
}

// users are those of --user. With more than one colon the last part must be rights: else
// mistyped rights would become part of the password.
function users(given) {
  const known = new Map();
  for (const user of given) {
    const utf8 = Buffer.from(user).toString('latin1'); // names and passwords are bytes
    const [, name, password, may = 'ro'] = utf8
      .match(/^([^:]+):(?:([^:]+)$|(.+):(ro|rw)$)/s)?.filter((part) => part !== undefined)
      ?? fail('--user is not NAME:PASSWORD[:ro|rw]; a password with a colon takes rights behind it');
    if (known.has(name)) fail(`--user ${name} is given twice`);
    known.set(name, { password, rights: rights[may] });
  }
  return known;
}

function listenAddress(text) {
  const [, host, port] = text.match(/^(.*):(\d{1,5})$/) ?? fail(`--listen ${text} is not ADDRESS:PORT`);
  if (port > 65535) fail(`--listen ${text} has no such port`);
  return { host: host.replace(/^\[(.*)\]$/, '$1') || '::', port: Number(port) };
}

function portRange(text) {
  if (text === undefined) return [0, 0];
  const [, first, last] = (text.match(/^(\d{1,5})-(\d{1,5})$/) ?? []).map(Number);
  if (!(first >= 1 && first <= last && last <= 65535)) fail(`--passive-ports ${text} is not A-B`);
  return [first, last];
}

const hash = (text) => createHash('sha256').update(text, 'latin1').digest();

// accounts is the platform's login for these users. An unknown user takes as long as a
// wrong password.
function accounts(known, anonymous, files) {
  return (user, password) => {
    if (anonymous && /^(anonymous|ftp)$/i.test(user) && !known.has(user)) return { rights: anonymous, files };
    const account = known.get(user) ?? { rights: 0 };
    const right = timingSafeEqual(hash(password), hash(account.password ?? ''));
    return right && account.rights ? { rights: account.rights, files } : undefined;
  };
}

async function main() {
  for (const out of [process.stdout, process.stderr]) out.on('error', () => {}); // go on if nobody reads that any more
  const o = options();
  if (o.help) return process.stdout.write(usage);
  const known = users(o.user);
  const anonymous = o.anonymous ?? (known.size > 0 ? 'off' : 'ro');
  if (!['off', 'ro', 'rw'].includes(anonymous)) fail(`--anonymous ${anonymous} is not off, ro or rw`);
  const ports = new Ports(...portRange(o['passive-ports']));
  const addresses = (o.listen.length > 0 ? o.listen : ['127.0.0.1:2121']).map(listenAddress);
  let files, module;
  try {
    files = new Files(realpathSync(o.root));
    module = new WebAssembly.Module(readFileSync(o.module));
  } catch (err) {
    fail(err.message);
  }

  const server = new Server(module, {
    login: accounts(known, rights[anonymous], files), ports, dial, deflated, log: console.error,
    digest: (algorithm) => (algorithm === 'crc32' ? crc32() : createHash(algorithm)),
  });
  await server.start().catch((err) => fail(`${o.module} does not start: ${err.message}`));
  const listeners = [];
  for (const where of addresses) {
    const listener = await listen(where).catch((err) => fail(`cannot listen on ${where.host}:${where.port}: ${err.message}`));
    listener.removeAllListeners('connection');
    listener.on('connection', (conn) => accept(server, conn));
    listeners.push(listener);
    const { address: host, port } = listener.address();
    console.log(`ftp://${isIPv6(host) ? `[${host}]` : host}:${port}/`);
  }
  process.on('unhandledRejection', console.error); // a failure that nobody waits for must not end other sessions
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop(server, listeners));
}

const connections = new Set();
let stopping = false;

async function accept(server, conn) {
  conn.on('error', () => {});
  conn.setKeepAlive(true);
  const { localAddress: host, localPort, remoteAddress: peer, remotePort } = conn;
  if (!peer) return conn.destroy(); // the client has hung up already
  connections.add(conn);
  conn.once('close', () => {
    connections.delete(conn);
    if (stopping && connections.size === 0) process.exit(0);
  });
  await server.ports.prepare(host);
  server.open(control(conn), { ...address(host, localPort), host }, { ...address(peer, remotePort), host: peer });
}

// stop ends the program once all sessions have ended. The second call ends it at once.
function stop(server, listeners) {
  if (stopping || connections.size === 0) process.exit(0);
  stopping = true;
  for (const listener of listeners) listener.close();
  server.drain();
}

main();
