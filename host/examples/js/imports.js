// The imports, by their names in wasi/table.go.

import {
  Fault, attribute, getAddress, hashes, isDir, look, need, noStat, open, put32, put64, putAddress, putStat, right, text,
} from './abi.js';
import { Data, Listener } from './data.js';
import { Connection, maxOwned, maxUnsent } from './session.js';
import { Directory, OpenFile } from './transfer.js';

const maxName = 64 << 10;
const lowestPort = 1024; // below it are the services that bounce attacks aim at (RFC 2577 §3)

// name is a parameter that is the name of a file: relative to the root, without elements
// that lead up.
function name(bytes) {
  need(bytes.length <= maxName, 'EINVAL');
  const name = text(bytes);
  const leadsDown = (part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0');
  need(name === '.' || name.split('/').every(leadsDown), 'EINVAL');
  return name;
}

// openUpload opens an upload. An account without the right to delete may only make new
// files, or add to the end of old ones.
async function openUpload(files, path, flags, offset, mayDelete) {
  const stat = await files.stat(path, false).catch(() => noStat);
  need(!isDir(stat), 'EISDIR');
  let how = { offset };
  if (flags & open.EXCLUSIVE) how = { exclusive: true };
  else if (flags & open.APPEND) how = { append: true };
  else if (offset > stat.size) throw new Fault('EINVAL');
  else if (flags & open.TRUNCATE) how = mayDelete ? { truncate: true } : { exclusive: true };
  else need(mayDelete || offset >= stat.size, 'EACCES');
  const file = await files.write(path, how).catch((err) => {
    throw err.code === 'EEXIST' && !(flags & open.EXCLUSIVE) ? new Fault('EACCES') : err;
  });
  return new OpenFile(file, stat, true);
}

// openDirectory is file_open of a directory.
function openDirectory(session, nameBytes, flags, offset, handle, out) {
  const files = session.allowed(right.LIST);
  const path = name(nameBytes);
  need((flags & ~open.NAMES) === open.DIR && offset === 0n, 'EINVAL');
  need(session.owned.size < maxOwned, 'EMFILE');
  const { dir, stat } = session.ask(['open', path, flags].join('\0'), async () => {
    const stat = await files.stat(path, false);
    return { dir: new Directory(await files.list(path, (flags & open.NAMES) !== 0)), stat };
  });
  put32(handle, session.own(dir));
  putStat(out, stat);
}

// change is an import that alters one file.
const change = (needed, call, work) => (session, nameBytes, ...rest) => {
  const files = session.allowed(needed);
  const path = name(nameBytes);
  return session.ask([call, path, ...rest].join('\0'), () => work(files, path, ...rest));
};

export const calls = {
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
    need(listener.session.owned.size < maxOwned, 'EMFILE');
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

  auth_login(session, user, password, rights, abilities) {
    need(user.length <= maxName && password.length <= maxName, 'EINVAL');
    if (user.length === 0) {
      session.account = undefined;
      put32(rights, 0);
      return put32(abilities, 0);
    }
    const account = session.server.login(text(user), text(password)); // without waiting: this host hashes no passwords
    need(account, 'EACCES');
    session.account = account;
    put32(rights, account.rights);
    put32(abilities, account.files.abilities);
  },

  file_stat(session, nameBytes, flags, out) {
    const files = session.allowed(63);
    const path = name(nameBytes);
    need(flags <= (look.LINK | look.ENTER), 'EINVAL');
    const mayLook = session.can(right.READ | right.LIST);
    putStat(out, session.ask(['stat', path, flags].join('\0'), async () => {
      const stat = await files.stat(path, (flags & look.LINK) !== 0);
      // An account that can only upload may change directories, but not look at files.
      need(mayLook || isDir(stat), 'EACCES');
      if (flags & look.ENTER) {
        need(isDir(stat), 'ENOTDIR');
        await files.enter?.(path);
      }
      return stat;
    }));
  },
  file_list(dir, out, n) {
    const room = Math.min(out.length, maxUnsent);
    const page = dir.session.ask(['next', dir.handle, room].join('\0'), () => dir.page(room));
    out.set(page);
    put32(n, page.length);
  },
  file_open(session, nameBytes, flags, offset, handle, out) {
    if (flags & open.DIR) return openDirectory(session, nameBytes, flags, offset, handle, out);
    const files = session.allowed(flags & open.WRITE ? right.WRITE : right.READ);
    const path = name(nameBytes);
    need(flags < open.DIR && offset >= 0 && !(offset > 0 && flags & (open.TRUNCATE | open.EXCLUSIVE)), 'EINVAL');
    need(session.owned.size < maxOwned, 'EMFILE');
    const mayDelete = session.can(right.DELETE);
    const file = session.ask(['open', path, flags, offset].join('\0'), async () => {
      if (flags & open.WRITE) return openUpload(files, path, flags, Number(offset), mayDelete);
      const { file, stat } = await files.read(path, Number(offset));
      return new OpenFile(file, stat, false);
    });
    put32(handle, session.own(file));
    putStat(out, file.stat);
  },
  file_commit(file) {
    need(file.upload && file.state, 'EINVAL');
    need(file.state !== 'running', 'EBUSY');
    need(!file.failed, 'EINVAL'); // an upload that failed is not whole, whatever the guest says
    const key = `commit\0${file.handle}`;
    need(file.state !== 'committing' || file.session.asked?.key === key, 'EBUSY');
    try {
      file.session.ask(key, () => file.commit());
    } catch (err) {
      if (err.code === 'EAGAIN') file.state = 'committing';
      if (err.code === 'EAGAIN' || err.code === 'EBUSY') throw err;
      file.session.disown(file);
      throw err;
    }
    file.session.disown(file);
  },
  file_make(session, nameBytes, target) {
    session.allowed(right.MKDIR);
    need(target.length === 0, 'ENOSYS'); // no links
    change(right.MKDIR, 'make', (files, path) => files.mkdir(path))(session, nameBytes);
  },
  file_remove: (session, nameBytes, kind) => {
    session.allowed(right.DELETE);
    need(kind <= 1, kind === 2 ? 'EACCES' : 'EINVAL'); // 2 is a folder with all that is in it
    change(right.DELETE, 'remove', async (files, path) => {
      need(path !== '.', 'EACCES');
      const dir = isDir(await files.stat(path, true));
      need(dir === (kind === 1), dir ? 'EISDIR' : 'ENOTDIR');
      await files.remove(path, dir);
    })(session, nameBytes, kind);
  },
  file_rename(session, fromBytes, toBytes) {
    const files = session.allowed(right.RENAME);
    const [from, to] = [name(fromBytes), name(toBytes)];
    need(from !== '.' && to !== '.', 'EINVAL');
    const mayReplace = session.can(right.DELETE) || from === to;
    session.ask(['rename', from, to].join('\0'), async () => {
      need(mayReplace || !(await files.stat(to, true).catch(() => false)), 'EACCES');
      await files.rename(from, to);
    });
  },
  file_set: change(right.WRITE, 'set', (files, path, what, value) => {
    need(what <= attribute.MODE, 'EINVAL');
    return what === attribute.TIME ? files.setTime(path, value) : files.setMode(path, Number(value) & 0o777);
  }),
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
    file.start(() => move.call(file, data.conn, flags === 1, Number(length)), data.conn);
  },
  transfer_progress(file, out) {
    need(file.state, 'EINVAL');
    put64(out, file.bytes);
  },
  transfer_hash(file, algorithm, length, out, n) {
    const asked = `${algorithm} ${length}`;
    need(!file.upload && (!file.state || file.hashing), 'EBADF');
    need(algorithm < hashes.length && length >= 0 && (!file.hashing || file.hashing === asked), 'EINVAL');
    if (!file.hashing) {
      const digest = file.server.digest?.(hashes[algorithm]);
      need(digest, 'ENOSYS');
      file.hashing = asked;
      file.start(() => file.hash(digest, Number(length)));
    }
    need(file.state !== 'running', 'EAGAIN');
    need(file.digest && file.digest.length <= out.length, 'EINVAL');
    out.set(file.digest);
    put32(n, file.digest.length);
  },
};
