// Files in memory, as server.js needs them.

import { Fault, able, need, noStat, type } from '../js/abi.js';

const nanoseconds = () => BigInt(Date.now()) * 1000000n;

// A node is a folder, which has children by name, or a file, which has content.
const folder = () => ({ children: new Map(), mtime: nanoseconds(), mode: 0o755 });
const file = (content = new Uint8Array()) => ({ content, mtime: nanoseconds(), mode: 0o644 });

export class Memory {
  root = folder();
  abilities = able.UPLOAD | able.TIMES | able.MODES | able.MKDIR;

  // changed is called after every change.
  constructor(changed) {
    this.changed = changed;
  }

  // find gives the node of a name, undefined if there is none.
  find(name) {
    if (name === '.') return this.root;
    return name.split('/').reduce((node, part) => {
      if (node) need(node.children, 'ENOTDIR');
      return node?.children.get(part);
    }, this.root);
  }

  get(name) {
    const node = this.find(name);
    need(node, 'ENOENT');
    return node;
  }

  // place gives the folder in which a name is, or can be made, and the name's last element.
  place(name) {
    need(name !== '.', 'EACCES');
    const at = name.lastIndexOf('/');
    const parent = this.get(at < 0 ? '.' : name.slice(0, at));
    need(parent.children, 'ENOTDIR');
    return { children: parent.children, last: name.slice(at + 1), parent };
  }

  alter(parent) {
    parent.mtime = nanoseconds();
    this.changed();
  }

  describe({ children, content, mtime, mode }) {
    return { mtime, size: content?.length ?? 0, mode: (children ? type.DIR : type.FILE) | mode, links: 1 };
  }

  async stat(name) {
    return this.describe(this.get(name));
  }

  async list(name, namesOnly) {
    const { children } = this.get(name);
    need(children, 'ENOTDIR');
    const entries = [...children].sort(([a], [b]) => (a < b ? -1 : 1));
    const next = async () => {
      const [name, node] = entries.shift() ?? [];
      return node && { name, stat: namesOnly ? noStat : this.describe(node) };
    };
    return { next, close() {} };
  }

  async read(name, offset) {
    const node = this.get(name);
    need(node.content, 'EISDIR');
    let at = offset;
    return {
      stat: this.describe(node),
      file: {
        async read(size) {
          const data = node.content.slice(at, at + size);
          at += data.length;
          return data;
        },
        close() {},
      },
    };
  }

  async write(name, { truncate, exclusive, append, offset = 0 }) {
    const { children, last, parent } = this.place(name);
    let node = children.get(last);
    need(!node?.children, 'EISDIR');
    need(!(node && exclusive), 'EEXIST');
    need(!node?.uploading, 'EBUSY');
    const made = !node;
    if (made) children.set(last, node = file());
    node.uploading = true;
    let at = append ? node.content.length : offset;
    this.alter(parent);
    const empty = () => {
      if (truncate) node.content = new Uint8Array();
      truncate = false;
    };
    const free = () => {
      node.uploading = false;
      this.changed();
    };
    return {
      write: async (data) => {
        if (data.length > 0) empty();
        const content = new Uint8Array(Math.max(node.content.length, at + data.length));
        content.set(node.content);
        content.set(data, at);
        at += data.length;
        Object.assign(node, { content, mtime: nanoseconds() });
      },
      commit: async () => {
        empty();
        free();
      },
      close: async () => { // gives the upload up
        if (made && node.content.length === 0 && children.get(last) === node) children.delete(last);
        free();
      },
    };
  }

  async mkdir(name) {
    const { children, last, parent } = this.place(name);
    need(!children.has(last), 'EEXIST');
    children.set(last, folder());
    this.alter(parent);
  }

  async remove(name) {
    const { children, last, parent } = this.place(name);
    need(children.has(last), 'ENOENT');
    need(!children.get(last).children?.size, 'ENOTEMPTY');
    children.delete(last);
    this.alter(parent);
  }

  async rename(from, to) {
    const [old, place] = [this.place(from), this.place(to)];
    const node = old.children.get(old.last);
    const replaced = place.children.get(place.last);
    need(node, 'ENOENT');
    need(!`${to}/`.startsWith(`${from}/`) || from === to, 'EINVAL');
    need(!replaced || replaced === node || !(node.children || replaced.children), 'EEXIST');
    old.children.delete(old.last);
    place.children.set(place.last, node);
    this.alter(old.parent);
    this.alter(place.parent);
  }

  async setTime(name, mtime) {
    this.get(name).mtime = mtime;
    this.changed();
  }

  async setMode(name, mode) {
    this.get(name).mode = mode;
    this.changed();
  }

  async space() {
    throw new Fault('ENOSYS'); // a page cannot know
  }
}
