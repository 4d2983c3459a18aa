// Does two things for the component that jco does not; to be imported first (run.js, or jco run --jco-import).
import { _setPreopens, types } from '@bytecodealliance/preview2-shim/filesystem'

// jco opens no folder. This opens WASIFTP_ROOT as "/", and hides the variable, which the component would refuse.
const { WASIFTP_ROOT: root = '.' } = process.env
delete process.env.WASIFTP_ROOT
_setPreopens({ '/': root })

// The adapter for preview 1 does not know the type of a Unix socket: the first one in a listing would end the server.
const known = (described) => (described?.type === 'socket' ? { ...described, type: 'unknown' } : described)
for (const [of, method] of [[types.DirectoryEntryStream, 'readDirectoryEntry'], [types.Descriptor, 'stat'], [types.Descriptor, 'statAt']]) {
  const original = of.prototype[method]
  of.prototype[method] = function (...args) { return known(original.apply(this, args)) }
}
