// One folder of the operating system, and nothing outside it.
//
// Node.js has no openat. On Linux each folder on the way is held open and named
// /proc/self/fd/N, which is as good: a link that is changed meanwhile leads nowhere else.
// On other systems a folder may be replaced between the check and the opening: somebody
// who can make links in the folder by another way can win that race, except at the last
// element, which O_NOFOLLOW guards.

import { constants, promises as fs } from 'node:fs';
import { Fault, able, need, noStat, type } from '../js/abi.js';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const holds = process.platform === 'linux';
const O_PATH = 0o10000000; // Linux only; Node.js has no name for it
const maxLinks = 40;
const statsAtOnce = 64;

const raw = (name) => Buffer.from(name, 'latin1');
const latin1 = { encoding: 'latin1' };
const under = (dir, name) => Buffer.concat([dir.path, raw(`/${name}`)]);

async function readlink(path) {
  try {
    return await fs.readlink(path, latin1);
  } catch (err) {
    if (err.code === 'EINVAL' || err.code === 'ENOENT') return undefined; // no link
    throw err;
  }
}

// enter opens a folder, which must not be a link.
async function enter(path) {
  if (holds) {
    const handle = await fs.open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    return { path: raw(`/proc/self/fd/${handle.fd}`), close: () => handle.close() };
  }
  need((await fs.lstat(path)).isDirectory(), 'ENOTDIR');
  return { path, close() {} };
}

function record(stat) {
  let kind = type.OTHER;
  if (stat.isFile()) kind = type.FILE;
  if (stat.isDirectory()) kind = type.DIR;
  if (stat.isSymbolicLink()) kind = type.LINK;
  return { mtime: stat.mtimeNs, size: Number(stat.size), mode: kind | Number(stat.mode & 0o777n), links: Number(stat.nlink) };
}

const lstat = (path) => fs.lstat(path, { bigint: true });

export class Files {
  uploading = new Set(); // device and inode of files that are written
  abilities = able.UPLOAD | able.TIMES | (holds || constants.O_SYMLINK ? able.MODES : 0) | able.SPACE | able.MKDIR;

  constructor(root) {
    this.root = root; // an absolute path without links
  }

  // at calls act with the path of the file that name leads to. That is no link, unless
  // follow is false. Links must be relative and stay inside.
  async at(name, follow, act) {
    const dirs = [await enter(raw(this.root))];
    const todo = name.split('/').reverse();
    let last = '.';
    try {
      for (let links = 0; todo.length > 0;) {
        last = todo.pop();
        if (last === '' || last === '.') continue;
        if (last === '..') {
          need(dirs.length > 1, 'EACCES');
          await dirs.pop().close();
          last = '.';
          continue;
        }
        const path = under(dirs.at(-1), last);
        const target = todo.length > 0 || follow ? await readlink(path) : undefined;
        if (target !== undefined) {
          need(++links <= maxLinks, 'ELOOP');
          need(!target.startsWith('/'), 'EACCES');
          todo.push(...target.split('/').reverse());
        } else if (todo.length > 0) {
          dirs.push(await enter(path));
          last = '.';
        }
      }
      return await act(under(dirs.at(-1), last));
    } finally {
      for (const dir of dirs) await dir.close();
    }
  }

  stat(name, link) {
    return this.at(name, !link, async (path) => record(await lstat(path)));
  }

  // enter fails for a folder that may not be searched.
  enter(name) {
    return this.at(name, true, async (path) => {
      const dir = await enter(path);
      await fs.lstat(under(dir, '.')).finally(() => dir.close());
    });
  }

  async describe(dir, names) {
    const described = await Promise.all(names.map(async (name) => {
      try {
        const stat = record(await lstat(under(dir, name)));
        return { name, stat, target: (stat.mode & type.OTHER) === type.LINK ? await readlink(under(dir, name)) : '' };
      } catch {
        return undefined; // removed meanwhile
      }
    }));
    return described.filter(Boolean);
  }

  // list promises the entries of a folder, sorted by name: next() promises
  // { name, stat, target }, undefined at the end.
  async list(name, namesOnly) {
    const dir = await this.at(name, true, enter);
    try {
      const names = (await fs.readdir(dir.path, latin1)).sort();
      let described = [];
      let taken = 0;
      return {
        next: async () => {
          if (namesOnly) return taken < names.length ? { name: names[taken++], stat: noStat } : undefined;
          while (described.length === 0 && taken < names.length) {
            described = await this.describe(dir, names.slice(taken, taken += statsAtOnce));
          }
          return described.shift();
        },
        close: () => dir.close(),
      };
    } catch (err) {
      await dir.close();
      throw err;
    }
  }

  // open opens a regular file and nothing else. It never waits for the other end of a
  // pipe.
  async open(path, flags) {
    const handle = await fs.open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o666);
    const stat = await handle.stat({ bigint: true });
    if (stat.isFile()) return { handle, stat };
    await handle.close();
    throw new Fault(stat.isDirectory() ? 'EISDIR' : 'EACCES');
  }

  read(name, offset) {
    return this.at(name, true, async (path) => {
      const { handle, stat } = await this.open(path, O_RDONLY);
      let position = offset;
      return {
        stat: record(stat),
        file: {
          async read(size) {
            const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(size), 0, size, position);
            position += bytesRead;
            return buffer.subarray(0, bytesRead);
          },
          close: () => handle.close(),
        },
      };
    });
  }

  // write opens an upload in place: truncate, exclusive, append, or from offset on. A file
  // that is being written already is EBUSY. Its old bytes stay until a byte has come or
  // the upload is committed: a client that never connects, or dies, loses nothing. close
  // aborts: bytes that have come stay, but a file that this upload made is removed if none
  // have come.
  write(name, { truncate, exclusive, append, offset = 0 }) {
    return this.at(name, !exclusive, async (path) => {
      const { handle, stat, made } = await this.openOrMake(path, O_WRONLY | (append ? O_APPEND : 0), exclusive, offset > 0);
      const key = `${stat.dev}:${stat.ino}`;
      if (this.uploading.has(key)) {
        await handle.close();
        throw new Fault('EBUSY');
      }
      this.uploading.add(key);
      let position = append ? null : offset;
      const empty = async () => {
        if (truncate) await handle.truncate();
        truncate = false;
      };
      const free = () => {
        this.uploading.delete(key);
        return handle.close(); // some storage reports failed writes only here
      };
      return {
        async write(data) {
          if (data.length > 0) await empty();
          for (let done = 0; done < data.length;) {
            const { bytesWritten } = await handle.write(data, done, data.length - done, position);
            done += bytesWritten;
            if (position !== null) position += bytesWritten;
          }
        },
        commit: () => empty().finally(free),
        close: () => (made ? this.removeEmpty(name, !exclusive, stat) : Promise.resolve()).finally(free),
      };
    });
  }

  // openOrMake opens a file to write, and makes it if it is missing.
  async openOrMake(path, flags, exclusive, there) {
    if (!exclusive) {
      try {
        return await this.open(path, flags);
      } catch (err) {
        if (err.code !== 'ENOENT' || there) throw err;
      }
    }
    try {
      return { ...await this.open(path, flags | O_CREAT | O_EXCL), made: true };
    } catch (err) {
      if (err.code !== 'EEXIST' || exclusive) throw err;
      return this.open(path, flags); // somebody has made it since
    }
  }

  // removeEmpty removes the file of an upload, if it is still there and empty.
  removeEmpty(name, follow, { dev, ino }) {
    return this.at(name, follow, async (path) => {
      const there = await lstat(path);
      if (there.dev === dev && there.ino === ino && there.size === 0n) await fs.unlink(path);
    }).catch(() => {}); // it is gone already
  }

  mkdir(name) {
    return this.at(name, false, (path) => fs.mkdir(path, 0o777));
  }

  remove(name, dir) {
    return this.at(name, false, (path) => (dir ? fs.rmdir(path) : fs.unlink(path)));
  }

  rename(from, to) {
    return this.at(from, false, (old) => this.at(to, false, (path) => fs.rename(old, path)));
  }

  setTime(name, mtime) {
    return this.at(name, true, async (path) => {
      const { atimeMs } = await fs.lstat(path);
      await fs.lutimes(path, atimeMs / 1e3, Number(mtime) / 1e9);
    });
  }

  setMode(name, mode) {
    return this.at(name, true, async (path) => {
      if (!holds) return fs.lchmod(path, mode);
      const handle = await fs.open(path, O_PATH | O_NOFOLLOW);
      return fs.chmod(`/proc/self/fd/${handle.fd}`, mode).finally(() => handle.close());
    });
  }

  space(name) {
    return this.at(name, true, async (path) => {
      const { bavail, bsize } = await fs.statfs(path);
      return bavail * bsize;
    });
  }
}
