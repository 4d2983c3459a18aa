// Serves the folder WASIFTP_ROOT with the component, on jco: node run.js COMPONENT
//
// jco run does the same, but in a child process, which goes on serving after jco is ended.
import './root.js'
import { readFile } from 'node:fs/promises'
import { transpile } from '@bytecodealliance/jco'
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation'

const { files } = await transpile(await readFile(process.argv[2]), { name: 'wasiftp', instantiation: 'async', wasiShim: false })
const code = new TextDecoder().decode(files['wasiftp.js'])
const { instantiate } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
const { run } = await instantiate((name) => WebAssembly.compile(files[name]), new WASIShim().getImportObject())
run.run()
