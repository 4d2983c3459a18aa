// An FTP client for commands that a person types. It opens the data connections.

import { bytes, text } from '../js/abi.js';

const downloads = ['RETR', 'LIST', 'NLST', 'MLSD'];
const uploads = ['STOR', 'APPE', 'STOU'];

export class Client {
  buffered = '';
  replies = []; // complete, not yet returned by reply
  asking = () => {};

  // conn is the control connection; connect(port) gives a data connection; say is called
  // with each line of either direction.
  constructor(conn, connect, say) {
    Object.assign(this, { conn, connect, say });
  }

  // listen reads replies until the server hangs up.
  async listen() {
    try {
      for await (const data of this.conn.iterator()) this.take(text(data));
    } catch {
      // A broken connection is an end, too.
    }
    this.over = true;
    this.asking();
  }

  take(received) {
    const lines = (this.buffered + received).split('\r\n');
    this.buffered = lines.pop();
    for (const line of lines) {
      this.say('reply', line);
      this.first ??= line;
      if (!line.startsWith(`${this.first.slice(0, 3)} `)) continue; // a line within a reply
      this.replies.push(line);
      this.first = undefined;
      const port = line.match(/^229 .*\(\|\|\|(\d+)\|\)/) ?? line.match(/^227 .*,(\d+),(\d+)\)/);
      if (port) this.port = port[2] ? port[1] * 256 + Number(port[2]) : Number(port[1]);
      this.asking();
    }
  }

  // reply promises the next reply, '' when the server has hung up.
  async reply() {
    while (this.replies.length === 0 && !this.over) await new Promise((resolve) => { this.asking = resolve; });
    return this.replies.shift() ?? '';
  }

  async send(line, byItself) {
    this.say(byItself ? 'own' : 'command', /^pass /i.test(line) ? 'PASS ****' : line);
    this.replies = []; // drops replies to no command
    this.conn.write(bytes(`${line}\r\n`));
    return this.reply();
  }

  // command runs a command that a person typed, and promises the bytes of a download,
  // undefined for all else. content is the bytes of an upload.
  async command(line, content) {
    const verb = line.trim().split(' ')[0].toUpperCase();
    if (![...downloads, ...uploads].includes(verb)) {
      await this.send(line);
      return undefined;
    }
    if (!this.port && !(await this.send('EPSV', true)).startsWith('229')) return undefined;
    const data = this.connect(this.port);
    this.port = undefined;
    if (!(await this.send(line)).startsWith('150')) {
      data?.destroy();
      return undefined;
    }
    if (uploads.includes(verb)) data.write(content ?? new Uint8Array(), () => data.end());
    const received = uploads.includes(verb) ? undefined : await collect(data);
    await this.reply();
    return received;
  }
}

async function collect(data) {
  const pieces = [];
  try {
    for await (const piece of data.iterator()) pieces.push(piece);
  } catch {
    return undefined; // the reply says what happened
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
