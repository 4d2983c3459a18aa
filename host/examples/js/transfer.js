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

  // page promises up to room bytes of whole records; nothing is the end.
  page(room) {
    this.filling = this.fill(new Uint8Array(room));
    return this.filling;
  }

  async fill(page) {
    let used = 0;
    for (let entry; (entry = this.ahead ?? await this.entries.next());) {
      const size = putEntry(page.subarray(used), entry);
      this.ahead = size === 0 && used > 0 ? entry : undefined; // one too large for any page is left out
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

// OpenFile is a file open for one transfer, which this host does: the guest
// never sees the bytes.
export class OpenFile {
  kind = 'FILE';
  bytes = 0; // that crossed the data connection, or were hashed

  constructor(file, stat, upload) {
    Object.assign(this, { file, stat, upload });
  }

  // start begins what moves the bytes.
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
    if (this.failed && !this.upload) conn?.resetAndDestroy(); // it must not look like one that ended
    else if (conn) hangUp(conn);
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
      await success((done) => conn.write(out, done));
      this.bytes += out.length;
    }
    need(!this.over, 'ECANCELED'); // Node.js never calls back whoever ends what is destroyed
    await success((done) => conn.end(done));
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
    this.digest = await digest.digest();
  }

  // commit promises that an upload is final, unless its client is gone: one that dies
  // ends the control connection before the data connection, which is known a moment
  // after that one's end at the latest.
  async commit() {
    await new Promise(soon);
    if (!this.over && !this.session.gone) return this.file.commit();
    await this.file.close();
    throw new Fault('ECANCELED');
  }

  // close gives the file up, and a transfer under way with it. What came of an
  // upload stays, so that the client can resume; the session's next question waits
  // until the file is free again.
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
