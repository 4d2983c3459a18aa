// A host in JavaScript: sessions, questions, data connections and transfers for
// one instance of the engine. Node.js and a browser bring the sockets and files:
//
//   login(user, password)  { rights, files } or undefined
//   ports.take(session)    a passive port { port, accept(take), close() }; undefined when none is free
//   dial(session, port)    a promise of a connection to the client
//   deflated(conn, level)  the connection in MODE Z; undefined where that cannot be had
//   digest(algorithm)      { update(bytes), digest() }; undefined where that cannot be had
//   log(text)
//
// A connection has of a Node.js socket: iterator(), write(bytes, done), end(done),
// destroy(), destroySoon(), resetAndDestroy() and setTimeout(). Files are promised
// by stat, list, read, write, mkdir, remove, rename, setTime, setMode and space.

import { Engine, Fault, configRecord, errnoOf, event, getAddress, hashes, noStat, now, open, put32, put64, putAddress, putEntry, putStat, right, text } from './abi.js';
import { toFile, toWire } from './ascii.js';

const maxOwned = 16; // listeners, connections, files and directories of a session; the engine needs four
const maxUnsent = 64 << 10;
const maxName = 64 << 10;
const piece = 256 << 10;
const lowestPort = 1024; // below are the services that a bounce attack is after (RFC 2577 §3)
const lingerTime = 2e3;
const stallTime = 300e3;
const soon = globalThis.setImmediate ?? queueMicrotask;
const unavailable = '421 Service not available, closing control connection.\r\n';

const need = (condition, code) => {
  if (!condition) throw new Fault(code);
};

// Connection is one that the guest writes to: of a session, or for data.
class Connection {
  unsent = 0;

  attach(server, conn) {
    Object.assign(this, { server, conn });
    conn.setTimeout(stallTime * 2, () => conn.destroy()); // the engine's own limits come first
  }

  write(data) {
    need(this.conn && !this.broken, 'EPIPE');
    const n = Math.min(data.length, maxUnsent - this.unsent);
    this.starved = n < data.length;
    need(n > 0 || data.length === 0, 'EAGAIN');
    this.unsent += n;
    this.conn.write(data.slice(0, n), (err) => this.sent(n, err)); // a copy: the guest goes on with its buffer
    return n;
  }

  sent(n, err) {
    this.unsent -= n;
    this.broken ??= err;
    if (this.starved) this.post(event.WRITABLE);
    this.starved = false;
  }

  post(kind, err) {
    this.server.post({ kind, session: (this.session ?? this).handle, handle: this.handle, errno: err && errnoOf(err) });
  }
}

class Session extends Connection {
  kind = 'SESSION';
  owned = new Set();
  arrived = new Uint8Array();
  working = 0; // questions under way, abandoned ones too

  // receive gives the guest what arrives, a piece at a time, so that a client
  // cannot make the host keep its bytes. Once the session is over it discards
  // what comes: closing with bytes unread would reset the connection.
  async receive() {
    try {
      for await (const chunk of this.conn.iterator({ destroyOnReturn: false })) {
        if (this.over) continue;
        this.arrived = chunk;
        this.post(event.READABLE);
        await new Promise((resolve) => { this.taken = resolve; });
      }
      this.ended = true;
    } catch (err) {
      this.failed = err;
    }
    if (this.over) this.conn.destroySoon();
    else this.post(event.READABLE);
  }

  read(out) {
    if (this.arrived.length === 0) {
      if (this.failed) throw this.failed;
      need(this.ended, 'EAGAIN');
      return 0;
    }
    const n = Math.min(out.length, this.arrived.length);
    out.set(this.arrived.subarray(0, n));
    this.arrived = this.arrived.subarray(n);
    if (this.arrived.length === 0) this.taken();
    return n;
  }

  // ask answers a call that may wait: the guest gets EAGAIN, then the event, and
  // calls again for what work came to. Another question abandons the one before.
  ask(key, work) {
    const asked = this.asked;
    if (asked?.key === key) {
      need(asked.done, 'EAGAIN');
      this.asked = undefined;
      if (asked.error) throw asked.error;
      return asked.answer;
    }
    need(this.working < maxOwned, 'EBUSY');
    this.abandon();
    this.working++;
    this.asked = { key };
    this.answer(this.asked, work);
    throw new Fault('EAGAIN');
  }

  async answer(asked, work) {
    try {
      asked.answer = await work();
    } catch (err) {
      asked.error = err;
    }
    this.working--;
    asked.done = true;
    if (this.asked === asked) this.post(event.READY);
    else asked.answer?.close?.();
  }

  abandon() {
    if (this.asked?.done) this.asked.answer?.close?.();
    this.asked = undefined;
  }

  own(object) {
    need(this.owned.size < maxOwned, 'EMFILE');
    this.owned.add(this.server.add(Object.assign(object, { server: this.server, session: this })));
    return object.handle;
  }

  disown(object) {
    this.owned.delete(object);
    this.server.objects.delete(object.handle);
  }

  // allowed gives the account's files for a call that needs a right.
  allowed(needed) {
    need((this.account?.rights ?? 0) & needed, 'EACCES');
    return this.account.files;
  }

  can(wanted) {
    return (this.account.rights & wanted) !== 0;
  }

  // close ends the session and all it owns, once what it wrote is sent.
  close() {
    this.over = true;
    for (const object of this.owned) object.close();
    this.abandon();
    this.account = undefined;
    this.server.objects.delete(this.handle);
    this.conn.setTimeout(stallTime);
    this.conn.end(() => setTimeout(() => this.conn.destroy(), lingerTime));
    this.taken?.();
  }
}

// Listener waits for a passive data connection (RFC 959 §4.1.2, PASV).
class Listener {
  kind = 'LISTENER';
  arrived = [];

  constructor(port) {
    this.port = port;
  }

  // accept takes what connects, until there is too much to trust. Somebody
  // else's connection is closed unread, and the client's is still waited for.
  accept(conn, ip) {
    if (String(ip) !== String(this.session.client.ip)) return conn.destroy();
    this.arrived.push(conn);
    if (this.arrived.length === 1) return this.server.post({ kind: event.READABLE, session: this.session.handle, handle: this.handle });
    this.port.close();
  }

  // take gives the connection that came. When two came from the client's
  // address, one of them is a thief's, and nobody can say which.
  take() {
    need(this.arrived.length > 0, 'EAGAIN');
    need(this.arrived.length === 1, 'EBUSY');
    return this.arrived.pop();
  }

  close() {
    this.port.close();
    for (const conn of this.arrived) conn.destroy();
    this.session.disown(this);
  }
}

// Data is a data connection, or the attempt at an active one.
class Data extends Connection {
  kind = 'DATA';

  async dial(port) {
    let failure;
    const conn = await this.server.dial(this.session, port).catch((err) => { failure = err; });
    if (this.over) return conn?.destroy();
    if (conn) this.attach(this.server, conn);
    this.post(event.WRITABLE, failure);
  }

  close() {
    this.over = true;
    this.conn?.setTimeout(stallTime);
    this.conn?.destroySoon();
    this.session.disown(this);
  }
}

class Directory {
  kind = 'DIR';

  constructor(entries) {
    this.entries = entries; // an async iterator
  }

  // page fills room bytes with whole records; an empty page is the end.
  async page(room) {
    const page = new Uint8Array(room);
    let used = 0;
    for (;;) {
      const entry = this.ahead ?? (await this.entries.next()).value;
      this.ahead = undefined;
      if (!entry) return page.subarray(0, used);
      const size = putEntry(page.subarray(used), entry);
      used += size;
      if (size === 0 && used > 0) {
        this.ahead = entry;
        return page.subarray(0, used);
      }
    }
  }

  close() {
    this.entries.return();
    this.session?.disown(this);
  }
}

// OpenFile is a file open for one transfer, which this host does: the guest
// never sees the bytes.
class OpenFile {
  kind = 'FILE';
  bytes = 0; // that crossed the data connection, or were hashed

  constructor(file, stat, upload) {
    Object.assign(this, { file, stat, upload });
  }

  async run(move, conn) {
    this.state = 'running';
    try {
      await move();
      need(!this.over, 'ECANCELED');
    } catch (err) {
      this.failed = err;
    }
    // A download that broke off must not look like one that ended.
    if (this.failed && !this.upload) conn?.resetAndDestroy();
    else conn?.destroySoon();
    this.state = 'finished';
    if (this.over) return this.file.close();
    this.server.post({
      kind: event.TRANSFER, session: this.session.handle, handle: this.handle,
      errno: this.failed && errnoOf(this.failed), value: this.bytes,
    });
  }

  // pieces are what is read of the file, up to length bytes if that is not 0.
  async *pieces(length) {
    for (let left = length || Infinity; left > 0 && !this.over;) {
      const data = await this.file.read(Math.min(piece, left));
      if (data.length === 0) return;
      left -= data.length;
      yield data;
    }
  }

  async send(conn, ascii, length) {
    this.conn = conn;
    let last = 0;
    for await (const data of this.pieces(length)) {
      const out = ascii ? toWire(data, last) : data;
      last = data.at(-1);
      await new Promise((resolve, reject) => conn.write(out, (err) => (err ? reject(err) : resolve())));
      this.bytes += out.length;
    }
    await new Promise((resolve) => conn.end(resolve));
  }

  async receive(conn, ascii, length) {
    this.conn = conn;
    let left = length || Infinity;
    let held = false; // a CR of which is not known yet what follows
    const write = async (data) => {
      left -= data.length;
      need(left >= 0, 'EINVAL');
      if (data.length > 0) await this.file.write(data);
    };
    for await (const data of conn.iterator({ destroyOnReturn: false })) {
      need(!this.over, 'ECANCELED');
      this.bytes += data.length;
      await write(ascii ? toFile(data, held) : data);
      held = ascii && data.at(-1) === 13;
    }
    if (held) await write(Uint8Array.of(13));
  }

  async hash(digest, length) {
    for await (const data of this.pieces(length)) {
      digest.update(data);
      this.bytes += data.length;
    }
    this.digest = digest.digest();
  }

  // close gives the file up, and a transfer under way with it. What came of an
  // upload stays, so that the client can resume.
  close() {
    this.over = true;
    this.conn?.destroy();
    if (this.state !== 'running' && this.state !== 'committing') this.file.close();
    this.session?.disown(this);
  }
}

// name is a parameter that names a file: relative to the root, with no element
// that leads anywhere but down.
function name(bytes) {
  need(bytes.length <= maxName, 'EINVAL');
  const name = text(bytes);
  need(name === '.' || name.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0')), 'EINVAL');
  return name;
}

const exists = (promise) => promise.then(() => true, () => false);

// openUpload opens an upload. Whoever may not delete may not overwrite either,
// only make new files and add to the end of old ones.
async function openUpload(session, files, path, flags, offset) {
  const stat = await files.stat(path, false).catch(() => noStat);
  need((stat.mode & (3 << 16)) !== 1 << 16, 'EISDIR');
  const may = session.can(right.DELETE);
  let how = { offset };
  if (flags & open.EXCLUSIVE) how = { exclusive: true };
  else if (flags & open.APPEND) how = { append: true };
  else if (offset > stat.size) throw new Fault('EINVAL');
  else if (flags & open.TRUNCATE) how = may ? { truncate: true } : { exclusive: true };
  else need(may || offset >= stat.size, 'EACCES');
  const file = await files.write(path, how).catch((err) => {
    throw err.code === 'EEXIST' && !(flags & open.EXCLUSIVE) ? new Fault('EACCES') : err;
  });
  return new OpenFile(file, stat, true);
}

// change is an import that alters one file.
const change = (needed, call, work) => (session, nameBytes, ...rest) => {
  const files = session.allowed(needed);
  const path = name(nameBytes);
  return session.ask([call, path, ...rest].join('\0'), () => work(files, path, ...rest));
};

// The imports, by their names in the table.
const calls = {
  net_address(session, side, out) {
    need(side <= 1, 'EINVAL');
    putAddress(out, side === 0 ? session.local : session.client);
  },
  net_read(session, out, n) {
    put32(n, 0);
    put32(n, session.read(out));
  },
  net_write(conn, data, n) {
    need(conn instanceof Connection && conn.conn, 'EBADF');
    put32(n, 0);
    put32(n, conn.write(data));
  },
  net_listen(session, family, handle, out) {
    need(family === 0 || family === (session.local.ip.length === 4 ? 4 : 6), 'EINVAL');
    need(session.owned.size < maxOwned, 'EMFILE');
    const port = session.server.ports.take(session);
    need(port, 'EADDRINUSE');
    const listener = new Listener(port);
    put32(handle, session.own(listener));
    port.accept((conn, ip) => listener.accept(conn, ip));
    putAddress(out, { ip: session.local.ip, port: port.port });
  },
  net_accept(listener, handle) {
    const data = new Data();
    const conn = listener.take();
    put32(handle, listener.session.own(data));
    data.attach(listener.server, conn);
  },
  net_dial(session, addr, handle) {
    const { ip, port } = getAddress(addr);
    need(port >= lowestPort && String(ip) === String(session.client.ip), 'EACCES');
    const data = new Data();
    put32(handle, session.own(data));
    data.dial(port);
  },
  net_deflate(data, level) {
    need(data.conn && !data.compressed && level <= 9, 'EINVAL');
    need(data.unsent === 0, 'EBUSY');
    const conn = data.server.deflated?.(data.conn, level || 6);
    need(conn, 'ENOSYS');
    Object.assign(data, { conn, compressed: true });
  },
  handle_close(object) {
    object.close();
  },

  auth_host(session, name) {
    need(name.length <= maxName, 'EINVAL');
    session.abandon(); // a login under way would be at the host before
  },
  auth_check(session, user, password, out) {
    need(user.length <= maxName && password.length <= maxName, 'EINVAL');
    const account = session.server.login(text(user), text(password)); // at once: this host hashes nothing
    need(account, 'EACCES');
    session.account = account;
    put32(out, account.rights);
  },
  auth_clear(session) {
    session.account = undefined;
  },

  file_stat(session, nameBytes, flags, out) {
    const files = session.allowed(63);
    const path = name(nameBytes);
    need(flags <= 1, 'EINVAL');
    const stat = session.ask(['stat', path, flags].join('\0'), () => files.stat(path, flags === 1));
    // An account that can only upload changes directories, but learns nothing of files.
    need(session.can(right.READ | right.LIST) || (stat.mode & (3 << 16)) === 1 << 16, 'EACCES');
    putStat(out, stat);
  },
  file_list(session, nameBytes, flags, handle) {
    const files = session.allowed(right.LIST);
    const path = name(nameBytes);
    need(flags <= 1, 'EINVAL');
    need(session.owned.size < maxOwned, 'EMFILE');
    const dir = session.ask(['list', path, flags].join('\0'), async () => new Directory(await files.list(path, flags === 1)));
    put32(handle, session.own(dir));
  },
  file_list_next(dir, out, n) {
    const room = Math.min(out.length, maxUnsent);
    const page = dir.session.ask(['next', dir.handle, room].join('\0'), () => dir.page(room));
    out.set(page);
    put32(n, page.length);
  },
  file_open(session, nameBytes, flags, offset, handle, out) {
    const files = session.allowed(flags & open.WRITE ? right.WRITE : right.READ);
    const path = name(nameBytes);
    need(flags < 16 && offset >= 0 && !(offset > 0 && flags & (open.TRUNCATE | open.EXCLUSIVE)), 'EINVAL');
    need(session.owned.size < maxOwned, 'EMFILE');
    const file = session.ask(['open', path, flags, offset].join('\0'), async () => {
      if (flags & open.WRITE) return openUpload(session, files, path, flags, Number(offset));
      const { file, stat } = await files.read(path, Number(offset));
      return new OpenFile(file, stat, false);
    });
    put32(handle, session.own(file));
    putStat(out, file.stat);
  },
  file_commit(file) {
    need(file.upload && file.state, 'EINVAL');
    need(file.state !== 'running', 'EBUSY');
    need(!file.failed, 'EINVAL'); // what broke off is not whole, whatever the guest says
    const key = `commit\0${file.handle}`;
    need(file.state !== 'committing' || file.session.asked?.key === key, 'EBUSY');
    try {
      file.session.ask(key, () => file.file.close());
    } catch (err) {
      if (err.code === 'EAGAIN') file.state = 'committing';
      if (err.code === 'EAGAIN' || err.code === 'EBUSY') throw err;
      file.session.disown(file);
      throw err;
    }
    file.session.disown(file);
  },
  file_mkdir: change(right.MKDIR, 'mkdir', (files, path) => files.mkdir(path)),
  file_remove: (session, nameBytes, kind) => {
    session.allowed(right.DELETE);
    need(kind <= 1, 'EINVAL');
    change(right.DELETE, 'remove', async (files, path) => {
      need(path !== '.', 'EACCES');
      const dir = ((await files.stat(path, true)).mode & (3 << 16)) === 1 << 16;
      need(dir === (kind === 1), dir ? 'EISDIR' : 'ENOTDIR');
      await files.remove(path, dir);
    })(session, nameBytes, kind);
  },
  file_rename(session, fromBytes, toBytes) {
    const files = session.allowed(right.RENAME);
    const [from, to] = [name(fromBytes), name(toBytes)];
    need(from !== '.' && to !== '.', 'EINVAL');
    session.ask(['rename', from, to].join('\0'), async () => {
      need(session.can(right.DELETE) || from === to || !(await exists(files.stat(to, true))), 'EACCES');
      await files.rename(from, to);
    });
  },
  file_set_time: change(right.WRITE, 'time', (files, path, mtime) => files.setTime(path, mtime)),
  file_set_mode: change(right.WRITE, 'mode', (files, path, mode) => files.setMode(path, mode & 0o777)),
  file_space(session, nameBytes, out) {
    const files = session.allowed(right.WRITE);
    const path = name(nameBytes);
    put64(out, session.ask(`space\0${path}`, () => files.space(path)));
  },

  transfer_start(file, data, flags, length) {
    need(data.session === file.session && data.conn && !file.state, 'EBADF');
    need(flags <= 1 && length >= 0, 'EINVAL');
    need(data.unsent === 0, 'EBUSY');
    file.session.disown(data);
    const move = file.upload ? file.receive : file.send;
    file.run(() => move.call(file, data.conn, flags === 1, Number(length)), data.conn);
  },
  transfer_progress(file, out) {
    need(file.state, 'EINVAL');
    put64(out, file.bytes);
  },
  transfer_hash(file, algorithm, length) {
    need(!file.upload && !file.state, 'EBADF');
    need(algorithm < hashes.length && length >= 0, 'EINVAL');
    const digest = file.server.digest?.(hashes[algorithm]);
    need(digest, 'ENOSYS');
    file.run(() => file.hash(digest, Number(length)));
  },
  transfer_digest(file, out, n) {
    need(file.state !== 'running', 'EBUSY');
    need(file.digest && file.digest.length <= out.length, 'EINVAL');
    out.set(file.digest);
    put32(n, file.digest.length);
  },
};


export class Server {
  objects = new Map(); // by handle
  lastHandle = 0;

  // module is a compiled WebAssembly.Module; platform is described above.
  constructor(module, platform) {
    Object.assign(this, { module }, platform);
  }

  // start resolves once there is an engine; whoever opens a session waits for it.
  start() {
    this.engine = new Engine(calls, this.objects, configRecord(), this.log);
    this.ready = this.engine.start(this.module);
    return this.ready;
  }

  // open gives the engine a new control connection, between two addresses.
  async open(conn, local, client) {
    try {
      await this.ready;
    } catch {
      return conn.end(unavailable);
    }
    const session = Object.assign(new Session(), { local, client });
    session.attach(this, conn);
    this.add(session);
    session.post(event.OPEN);
    session.receive();
  }

  add(object) {
    do this.lastHandle = (this.lastHandle + 1) >>> 0;
    while (this.lastHandle === 0 || this.objects.has(this.lastHandle));
    object.handle = this.lastHandle;
    this.objects.set(object.handle, object);
    return object;
  }

  post(e) {
    this.engine.post(e);
    this.wake();
  }

  wake() {
    if (!this.due) soon(() => this.step());
    this.due = true;
  }

  step() {
    this.due = false;
    clearTimeout(this.timer);
    try {
      const next = this.engine.step();
      if (next === 0n) return;
      const wait = Number((next - now()) / 1000000n) + 1;
      this.timer = setTimeout(() => this.wake(), Math.min(Math.max(wait, 0), 3600e3));
    } catch (err) {
      this.replace(err);
    }
  }

  // replace ends all sessions and takes a new instance: one that has trapped
  // would still answer.
  replace(err) {
    this.log(`the engine failed; its sessions end: ${err.message}`);
    for (const object of [...this.objects.values()]) {
      if (object.kind !== 'SESSION') continue;
      object.conn.write(unavailable, () => {});
      object.close();
    }
    this.objects.clear();
    this.start().catch((err) => this.log(`no new engine: ${err.message}`));
  }
}
