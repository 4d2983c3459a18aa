// Serves the folder WASIFTP_ROOT with the component, on jco: node run.js COMPONENT
//
// jco run would do so in a process of its own, which goes on when jco is ended.
import { readFile } from 'node:fs/promises'
import { transpile } from '@bytecodealliance/jco'
import { types } from '@bytecodealliance/preview2-shim/filesystem'
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation'

// A Unix socket is of no type that the adapter for preview 1 knows: it ends the component at the first that it meets.
const { readDirectoryEntry } = types.DirectoryEntryStream.prototype
const unknown = (described) => (described?.type === 'socket' ? { ...described, type: 'unknown' } : described)
types.DirectoryEntryStream.prototype.readDirectoryEntry = function () { return unknown(readDirectoryEntry.call(this)) }
for (const name of ['stat', 'statAt']) {
  const describe = types.Descriptor.prototype[name]
  types.Descriptor.prototype[name] = function (...args) { return unknown(describe.apply(this, args)) }
}

const { WASIFTP_ROOT: root = '.', ...env } = process.env
const { files } = await transpile(await readFile(process.argv[2]), { name: 'wasiftp', instantiation: 'async', wasiShim: false })
const code = new TextDecoder().decode(files['wasiftp.js'])
const { instantiate } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
const shim = new WASIShim({ sandbox: { preopens: { '/': root }, env } })
const { run } = await instantiate((name) => WebAssembly.compile(files[name]), shim.getImportObject())
run.run()
