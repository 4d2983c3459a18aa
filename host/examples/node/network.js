// Sockets of Node.js, as server.js needs them.

import { randomInt } from 'node:crypto';
import net from 'node:net';
import { finished } from 'node:stream';
import zlib from 'node:zlib';
import { Fault } from '../js/abi.js';
import { success } from '../js/session.js';

// address is { ip, port } of an address in text. An IPv4 address mapped into IPv6 becomes
// the IPv4 address.
export function address(text, port) {
  const mapped = text.match(/^::ffff:([\d.]+)$/i);
  if (mapped || net.isIPv4(text)) return { ip: Uint8Array.from((mapped?.[1] ?? text).split('.'), Number), port };
  const [head, tail] = text.replace(/%.*/, '').split('::').map((part) => (part ? part.split(':') : []));
  const groups = tail ? [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail] : head;
  return { ip: Uint8Array.from(groups.flatMap((g) => [parseInt(g, 16) >> 8, parseInt(g, 16) & 255])), port };
}

const spares = 8;
const ahead = { highWaterMark: 1 << 20 }; // bytes of an upload that are read while the disk is busy

// Ports are the ports for passive data connections. Node.js cannot listen without a wait,
// and net_listen must not wait. So a few ports listen ahead at each address that clients
// have come to. Until a session has one, it turns connections away.
export class Ports {
  ready = new Map(); // by address

  constructor(first, last) {
    Object.assign(this, { first, last });
  }

  // prepare opens ports at an address until there are enough.
  async prepare(host) {
    const list = this.ready.get(host) ?? [];
    this.ready.set(host, list);
    list.filling ??= this.fill(list, host).finally(() => { list.filling = undefined; });
    await list.filling;
  }

  async fill(list, host) {
    for (const port of this.candidates()) {
      if (list.length === spares) return;
      const server = await listen({ host, port }, ahead).catch(() => undefined);
      if (server) list.push(server);
    }
  }

  // candidates are the ports of the range in random order; 0 is any free port.
  candidates() {
    if (this.first === 0) return Array(spares).fill(0);
    const all = Array.from({ length: this.last - this.first + 1 }, (_, n) => ({ port: this.first + n, at: randomInt(2 ** 32) }));
    return all.sort((a, b) => a.at - b.at).map(({ port }) => port);
  }

  // take gives a session a port.
  take({ local: { host } }) {
    const server = this.ready.get(host)?.pop();
    this.prepare(host);
    if (!server) return undefined;
    return {
      port: server.address().port,
      accept(found) {
        server.removeAllListeners('connection');
        server.on('connection', (conn) => {
          conn.on('error', () => {});
          found(data(conn), address(conn.remoteAddress ?? '::', 0).ip);
        });
      },
      close: () => {
        server.close();
        this.prepare(host);
      },
    };
  }
}

// listen promises a server that turns every connection away.
export function listen(where, options) {
  const all = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, ...options };
  const server = net.createServer(all, (conn) => conn.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ exclusive: true, ...where }, () => {
      server.off('error', reject).on('error', () => {});
      resolve(server);
    });
  });
}

export function dial(session, port) {
  return new Promise((resolve, reject) => {
    const conn = net.connect({
      host: session.client.host, port, localAddress: session.local.host, allowHalfOpen: true, noDelay: true, ...ahead,
    });
    conn.once('error', reject);
    conn.once('connect', () => {
      conn.off('error', reject).on('error', () => {});
      resolve(data(conn));
    });
  });
}

// data is a data connection that tells a reset from an end: Node.js takes a reset that
// comes with the last bytes for an end. An empty write fails then.
function data(conn) {
  conn.iterator = async function* (options) {
    yield* net.Socket.prototype.iterator.call(conn, options);
    await success((done) => conn.write('', done));
  };
  return conn;
}

// control is a control connection with urgent bytes put back in line: TCP takes them out
// of the stream, and Node.js cannot turn that off. Clients send two bytes as urgent: the
// IAC before a Data Mark (Telnet's Synch, RFC 854), and the LF after ABOR. A line that
// seems to end in CR gets its LF when nothing follows.
export function control(conn) {
  conn.iterator = (options) => inline(net.Socket.prototype.iterator.call(conn, options));
  return conn;
}

const silence = () => new Promise((resolve) => setTimeout(resolve, 100));

async function* inline(chunks) {
  let before = '';
  for (let next = chunks.next(), step; !(step = await next).done;) {
    const text = before + step.value.toString('latin1');
    yield Buffer.from(text.replaceAll('\xff\xf4\xf2', '\xff\xf4\xff\xf2').slice(before.length), 'latin1');
    before = text.slice(-2);
    next = chunks.next();
    if (before.endsWith('\r') && !(await Promise.race([next, silence()]))) yield Buffer.from('\n');
  }
}

// deflated is a connection in MODE Z: zlib's format in both directions.
export function deflated(conn, level) {
  let writer;
  let reads = false;
  const writing = () => {
    if (!writer) {
      writer = zlib.createDeflate({ level }).on('error', () => {});
      writer.pipe(conn).once('close', () => writer.destroy()); // ends pending writes
    }
    return writer;
  };
  return {
    async *iterator() {
      reads = true;
      const reader = conn.on('error', (err) => reader.destroy(err)).on('close', () => reader.end()).pipe(zlib.createInflate());
      try {
        yield* reader;
      } catch (err) {
        throw Object.assign(err, { code: 'ECONNRESET' }); // bytes that cannot be expanded are no end
      }
      if (reader.bytesWritten === 0) throw new Fault('ECONNRESET'); // no bytes at all are no end either
    },
    write: (data, done) => writing().write(data, done),
    end(done) {
      finished(conn, { readable: false }, done);
      writing().end();
    },
    destroySoon() {
      if (reads || conn.writableEnded) conn.destroySoon();
      else writing().end(); // ends the compressed data too, which a listing needs
    },
    destroy: () => conn.destroy(),
    resetAndDestroy: () => conn.resetAndDestroy(),
    setTimeout: (...args) => conn.setTimeout(...args),
  };
}
