// Open directories and files, and the transfers of files.

import { Fault, errnoOf, event, need, putEntry } from './abi.js';
import { toFile, toWire } from './ascii.js';
import { hangUp, soon, success } from './session.js';

const piece = 256 << 10;

export class Directory {
  kind = 'DIR';

  constructor(entries) {
    this.entries = entries;
  }

  // page promises up to room bytes of whole records; no bytes are the end.
  page(room) {
    this.filling = this.fill(new Uint8Array(room));
    return this.filling;
  }

  async fill(page) {
    let used = 0;
    for (let entry; (entry = this.ahead ?? await this.entries.next());) {
      const size = putEntry(page.subarray(used), entry);
      this.ahead = size === 0 && used > 0 ? entry : undefined; // a record too large for any page is left out
      if (this.ahead) break;
      used += size;
    }
    return page.subarray(0, used);
  }

  async close() {
    this.session?.disown(this);
    await Promise.allSettled([this.filling]);
    await this.entries.close();
  }
}

// OpenFile is a file open for one transfer. The host moves the bytes: the guest never
// sees them.
export class OpenFile {
  kind = 'FILE';
  bytes = 0; // bytes that crossed the data connection, or were hashed

  constructor(file, stat, upload) {
    Object.assign(this, { file, stat, upload });
  }

  // start begins a transfer: move moves the bytes.
  start(move, conn) {
    this.state = 'running';
    this.running = this.run(move, conn);
  }

  async run(move, conn) {
    try {
      await move();
      need(!this.over, 'ECANCELED');
    } catch (err) {
      this.failed = err;
    }
    if (this.failed && !this.upload) conn?.resetAndDestroy(); // a failed download must not look complete
    else if (conn) hangUp(conn);
    this.state = 'finished';
    if (this.over) return this.file.close();
    this.server.post({
      kind: event.TRANSFER, session: this.session.handle, handle: this.handle,
      errno: this.failed && errnoOf(this.failed), value: this.bytes,
    });
  }

  // pieces reads the file in pieces, up to length bytes; 0 is no limit.
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
      await success((done) => conn.write(out, done));
      this.bytes += out.length;
    }
    need(!this.over, 'ECANCELED'); // end() of a destroyed socket never calls back in Node.js
    await success((done) => conn.end(done));
  }

  async receive(conn, ascii, length) {
    this.conn = conn;
    let left = length || Infinity;
    let held = false; // the data before ended in a CR: the next byte decides about it
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
    this.digest = await digest.digest();
  }

  // commit makes an upload final, unless its client is gone: a client that dies ends its
  // control connection before the data connection, and soon waits for that news.
  async commit() {
    await new Promise(soon);
    if (!this.over && !this.session.gone) return this.file.commit();
    await this.file.close();
    throw new Fault('ECANCELED');
  }

  // close gives the file up, and a transfer under way with it. The bytes of an upload that
  // have come stay, so that the client can resume. The session's next question waits until
  // the file is free again.
  close() {
    this.over = true;
    if (this.upload) this.conn?.destroy();
    else this.conn?.resetAndDestroy();
    if (this.state !== 'committing') {
      const ending = this.state === 'running' ? this.running : this.file.close();
      this.session?.waitFor(ending);
    }
    this.session?.disown(this);
  }
}
