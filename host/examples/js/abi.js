// The boundary between the engine (the guest) and a host in JavaScript, as in wasi/abi.txt,
// and the few functions of WASI that Go's runtime needs. It uses nothing of Node.js or a
// browser.
//
// Names of files are strings in which each character is one byte (Latin-1): a
// client's names may hold any bytes, and are not always UTF-8.

export const errno = {
  OK: 0, EACCES: 2, EADDRINUSE: 3, EAGAIN: 6, EBADF: 8, EBUSY: 10, ECANCELED: 11, ECONNREFUSED: 14, ECONNRESET: 15,
  EDQUOT: 19, EEXIST: 20, EFAULT: 21, EFBIG: 22, EINVAL: 28, EIO: 29, EISDIR: 31, EMFILE: 33, ENOENT: 44, ENOSPC: 51,
  ENOSYS: 52, ENOTDIR: 54, ENOTEMPTY: 55, EPIPE: 64, EPROTO: 65, ETIMEDOUT: 73, EXDEV: 75,
};

// The errnos of systems that have another name at the boundary.
const aliases = {
  EPERM: 'EACCES', EROFS: 'EACCES', ENXIO: 'EACCES', ELOOP: 'ENOENT', ENAMETOOLONG: 'EINVAL', ENFILE: 'EMFILE',
  ENOTSUP: 'ENOSYS', EOPNOTSUPP: 'ENOSYS', EILSEQ: 'EINVAL', EMLINK: 'ENOSPC', ETXTBSY: 'EBUSY', EADDRNOTAVAIL: 'EADDRINUSE',
  ECONNABORTED: 'ECONNRESET', ENETDOWN: 'ECONNRESET', ENETUNREACH: 'ECONNRESET', EHOSTUNREACH: 'ECONNRESET',
  ERR_STREAM_PREMATURE_CLOSE: 'ECONNRESET', ERR_STREAM_DESTROYED: 'ECONNRESET',
};

// Fault is an error whose code is the name of its errno at the boundary.
export class Fault extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

export function need(condition, code) {
  if (!condition) throw new Fault(code);
}

// errnoOf is the errno of an error at the boundary; EIO for an unknown error.
export const errnoOf = (err) => errno[err?.code] ?? errno[aliases[err?.code]] ?? errno.EIO;

export const event = { OPEN: 1, READABLE: 2, WRITABLE: 3, READY: 4, TRANSFER: 5, DRAIN: 6, CLOCK: 7 };
export const right = { READ: 1, LIST: 2, WRITE: 4, DELETE: 8, RENAME: 16, MKDIR: 32 };
export const rights = { ro: right.READ | right.LIST, rw: 63 };
export const able = { UPLOAD: 1, TIMES: 2, MODES: 8, SPACE: 32, MKDIR: 256 };
export const without = { MODE_Z: 2048, HASH: 4096 }; // flags of the configuration
export const look = { LINK: 1, ENTER: 2 }; // flags of file_stat
export const open = { WRITE: 1, TRUNCATE: 2, APPEND: 4, EXCLUSIVE: 8, DIR: 16, NAMES: 32 };
export const attribute = { TIME: 0, MODE: 1 };
export const type = { FILE: 0, DIR: 1 << 16, LINK: 2 << 16, OTHER: 3 << 16 };
export const hashes = ['sha256', 'sha512', 'sha1', 'md5', 'crc32'];

const ABI_VERSION = 7;
const EVENT_SIZE = 24;
const ENTRY_SIZE = 36;
const clockSlack = 1000000000n; // ns by which the engine's idea of the wall clock may be off

// The imports with the kinds of their parameters. A kind in capitals is a handle of an
// object of that kind; ANY is a handle of any kind.
const imports = {
  config_read: 'out ret32', events_read: 'out ret32',
  net_address: 'SESSION u32 retaddr', net_read: 'SESSION out ret32', net_write: 'ANY in ret32',
  net_listen: 'SESSION u32 ret32 retaddr', net_accept: 'LISTENER ret32', net_dial: 'SESSION addr ret32',
  net_tls: 'ANY u32 in', net_deflate: 'DATA u32', handle_close: 'ANY',
  auth_login: 'SESSION in in ret32 ret32',
  file_stat: 'SESSION in u32 stat', file_open: 'SESSION in u32 i64 ret32 stat', file_list: 'DIR out ret32', file_commit: 'FILE',
  file_make: 'SESSION in in', file_remove: 'SESSION in u32', file_rename: 'SESSION in in', file_set: 'SESSION in u32 i64',
  file_space: 'SESSION in ret64',
  transfer_start: 'FILE DATA u32 i64', transfer_progress: 'FILE ret64', transfer_hash: 'FILE u32 i64 out ret32',
};
const sizes = { ret32: 4, ret64: 8, addr: 20, retaddr: 20, stat: 32 };

const at = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
export const put32 = (bytes, value) => at(bytes).setUint32(0, value, true);
export const put64 = (bytes, value) => at(bytes).setBigUint64(0, BigInt(value), true);
export const text = (bytes) => String.fromCharCode.apply(null, bytes);
export const bytes = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

// putStat writes { mtime, size, mode, links }: ns since 1970 as a BigInt, bytes,
// a type with nine permission bits, a count.
export function putStat(bytes, stat) {
  const view = at(bytes);
  view.setBigInt64(0, stat.mtime, true);
  view.setBigUint64(8, BigInt(stat.size), true);
  view.setUint32(16, stat.mode, true);
  view.setUint32(20, stat.links, true);
  view.setBigInt64(24, 0n, true); // the creation time, which this host does not tell
}

export const noStat = { mtime: 0n, size: 0, mode: 0, links: 0 };
export const isDir = (stat) => (stat.mode & type.OTHER) === type.DIR;

// putEntry writes a directory record, and returns its size, 0 if it does not fit.
export function putEntry(page, { stat, name, target = '' }) {
  const size = ENTRY_SIZE + name.length + target.length;
  if (size > page.length) return 0;
  putStat(page, stat);
  at(page).setUint16(32, name.length, true);
  at(page).setUint16(34, target.length, true);
  page.set(bytes(name + target), ENTRY_SIZE);
  return size;
}

// An address is { ip, port }, where ip has 4 or 16 bytes.
export function putAddress(bytes, { ip, port }) {
  bytes.fill(0);
  at(bytes).setUint16(0, ip.length === 4 ? 4 : 6, true);
  at(bytes).setUint16(2, port, true);
  bytes.set(ip, 4);
}

export function getAddress(bytes) {
  const family = at(bytes).getUint16(0, true);
  need(family === 4 || family === 6, 'EINVAL');
  return { ip: bytes.slice(4, family === 4 ? 8 : 20), port: at(bytes).getUint16(2, true) };
}

function putEvent(bytes, e) {
  const view = at(bytes);
  view.setUint16(0, e.kind, true);
  view.setUint16(2, e.errno ?? 0, true);
  view.setUint32(4, e.session ?? 0, true);
  view.setUint32(8, e.handle ?? 0, true);
  view.setUint32(12, 0, true);
  view.setBigUint64(16, BigInt(e.value ?? 0), true);
}

// configRecord is the engine's configuration (wasi/config.go): the times in seconds to log
// in, between commands, without data, to set up a data connection and after a failed
// login; the number of failed logins; the bytes of a line; flags, without TLS; no texts.
export function configRecord(flags) {
  const record = new Uint8Array(64);
  [120, 300, 300, 30, 1].forEach((seconds, n) => at(record).setBigInt64(8 * n, BigInt(seconds * 1e9), true));
  [5, 4096, flags].forEach((value, n) => at(record).setUint32(40 + 4 * n, value, true));
  return record;
}

// now is the time in ns since 1970, and never goes back.
export const now = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e3)) * 1000n;

// Engine is a running instance of the module. calls has a function for each import. It
// gets its arguments decoded: for a handle the object, for a pointer the bytes that it
// leads to, which are void once the call returns. It throws a Fault, or returns for OK.
// objects has the objects by handle.
export class Engine {
  events = []; // not yet read by the guest
  printed = ''; // the start of the guest's standard error

  constructor(calls, objects, config, log) {
    Object.assign(this, { calls, objects, config, log });
  }

  // start resolves once the engine has its configuration.
  async start(module) {
    const host = { ftphost: {}, wasi_snapshot_preview1: {} };
    for (const { module: space, name } of WebAssembly.Module.imports(module)) {
      host[space] ??= {};
      host[space][name] = space === 'ftphost' ? this.import(name) : system(this)[name] ?? (() => errno.ENOSYS);
    }
    const { exports } = await WebAssembly.instantiate(module, host);
    this.exports = exports;
    exports._initialize();
    if (exports.ftp_abi_version() !== ABI_VERSION)
      throw new Error(`the module was built for another ABI version than ${ABI_VERSION}`);
    const result = exports.ftp_start(this.config.length);
    if (result !== errno.OK) throw new Error(`the engine refused its configuration: errno ${result}`);
  }

  // step calls the engine, and returns when it asks to be called again even without an
  // event, in ns since 1970; 0 is never. It throws if the guest traps. Nothing stops a
  // guest that loops for ever: JavaScript has no means.
  step() {
    const at = now();
    this.tellClock(at);
    return this.exports.ftp_step(at, this.events.length);
  }

  // tellClock adds an event with the wall clock, unless the engine knows it: it may have
  // been set since the start.
  tellClock(at) {
    const wall = BigInt(Date.now()) * 1000000n;
    const off = wall - at - (this.ahead ?? 0n);
    if (this.ahead !== undefined && -clockSlack <= off && off <= clockSlack) return;
    this.ahead = wall - at; // ns from now() to the wall clock, as the engine was told
    this.events.push({ kind: event.CLOCK, value: wall });
  }

  // import is the function that the guest calls by this name. Whatever it throws becomes
  // an errno.
  import(name) {
    const call = { config_read: (out, n) => this.readConfig(out, n), events_read: (out, n) => this.readEvents(out, n) }[name]
      ?? this.calls[name];
    if (!imports[name] || !call) return () => errno.ENOSYS;
    const kinds = imports[name].split(' ');
    return (...values) => {
      try {
        call(...this.decode(kinds, values));
        return errno.OK;
      } catch (err) {
        if (!err.code) this.log(`${name}: ${err.stack}`);
        return errnoOf(err);
      }
    };
  }

  decode(kinds, values) {
    const memory = this.exports.memory.buffer;
    let next = 0;
    const decoded = kinds.map((kind) => {
      const value = values[next++];
      if (kind === 'i64') return BigInt.asIntN(64, value);
      if (kind === 'u32' || kind === kind.toUpperCase()) return value >>> 0;
      const size = sizes[kind] ?? values[next++] >>> 0;
      need((value >>> 0) + size <= memory.byteLength, 'EFAULT');
      return new Uint8Array(memory, value >>> 0, size);
    });
    return decoded.map((value, n) => (kinds[n] === kinds[n].toUpperCase() ? this.object(value, kinds[n]) : value));
  }

  object(handle, kind) {
    const object = this.objects.get(handle);
    need(object && (kind === 'ANY' || object.kind === kind), 'EBADF');
    return object;
  }

  readConfig(out, n) {
    need(out.length >= this.config.length, 'EINVAL');
    out.set(this.config);
    put32(n, this.config.length);
  }

  readEvents(out, n) {
    const taken = this.events.splice(0, Math.floor(out.length / EVENT_SIZE));
    taken.forEach((e, i) => putEvent(out.subarray(i * EVENT_SIZE, (i + 1) * EVENT_SIZE), e));
    put32(n, taken.length);
  }
}

// system is WASI for a guest that has no files, no arguments and no environment.
function system(engine) {
  const part = (pointer, size) => new Uint8Array(engine.exports.memory.buffer, pointer >>> 0, size >>> 0); // or the guest traps
  const nothing = (count, size) => (put32(part(count, 4), 0), put32(part(size, 4), 0), errno.OK);
  return {
    args_sizes_get: nothing, environ_sizes_get: nothing, args_get: () => errno.OK, environ_get: () => errno.OK,
    sched_yield: () => errno.OK,
    clock_time_get(clock, precision, result) {
      put64(part(result, 8), clock === 0 ? BigInt(Date.now()) * 1000000n : now());
      return errno.OK;
    },
    random_get(pointer, size) {
      if (size >>> 0 > 4096) return errno.EINVAL;
      crypto.getRandomValues(part(pointer, size));
      return errno.OK;
    },
    fd_write(fd, vectors, count, result) {
      if (fd !== 1 && fd !== 2) return errno.EBADF;
      if (count >>> 0 > 64) return errno.EINVAL;
      let written = 0;
      for (let i = 0; i < count; i++) {
        const vector = at(part(vectors + 8 * i, 8));
        const data = part(vector.getUint32(0, true), vector.getUint32(4, true));
        written += data.length;
        // A stack overflow alone prints 30,000 frames.
        if (fd === 2) engine.printed += text(data.subarray(0, 4096 - engine.printed.length));
      }
      put32(part(result, 4), written);
      return errno.OK;
    },
    // There is nothing to wait for but time, and a host must not wait here:
    // subscriptions to a clock end at once.
    poll_oneoff(subscriptions, events, count, result) {
      if (count === 0 || count >>> 0 > 64) return errno.EINVAL;
      for (let i = 0; i < count; i++) {
        const subscription = part(subscriptions + 48 * i, 48);
        const happened = part(events + 32 * i, 32).fill(0);
        happened.set(subscription.subarray(0, 8));
        happened[10] = subscription[8];
        if (subscription[8] !== 0) happened[8] = errno.EBADF;
      }
      put32(part(result, 4), count);
      return errno.OK;
    },
    proc_exit(code) {
      throw new Error(`the engine exited with ${code}`);
    },
  };
}
