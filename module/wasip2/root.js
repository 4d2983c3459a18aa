// What jco does not do for the component by itself; to be imported first (run.js, or jco run --jco-import).
import { _setPreopens, types } from '@bytecodealliance/preview2-shim/filesystem'

// It shows no folder: this opens WASIFTP_ROOT, which the component itself knows nothing of, as "/".
const { WASIFTP_ROOT: root = '.' } = process.env
delete process.env.WASIFTP_ROOT
_setPreopens({ '/': root })

// A Unix socket is of no type that the adapter for preview 1 knows: the first that is met would end the server.
const known = (described) => (described?.type === 'socket' ? { ...described, type: 'unknown' } : described)
for (const [of, method] of [[types.DirectoryEntryStream, 'readDirectoryEntry'], [types.Descriptor, 'stat'], [types.Descriptor, 'statAt']]) {
  const original = of.prototype[method]
  of.prototype[method] = function (...args) { return known(original.apply(this, args)) }
}
