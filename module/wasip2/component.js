// Makes the component of the module that Go has built: node component.js CORE COMPONENT
import { readFile, writeFile } from 'node:fs/promises'
import { componentEmbed, componentNew, preview1AdapterReactorPath } from '@bytecodealliance/jco'

const [core, component] = process.argv.slice(2)
const binary = await componentEmbed({
  binary: await readFile(core),
  witSource: await readFile(new URL('world.wit', import.meta.url), 'utf8'),
})
const adapter = await readFile(preview1AdapterReactorPath())
await writeFile(component, await componentNew(binary, [['wasi_snapshot_preview1', adapter]]))
