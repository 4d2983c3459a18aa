// jco shows a component no folder by itself. Imported first (jco run --jco-import), this opens WASIFTP_ROOT as its "/".
import { _setPreopens } from '@bytecodealliance/preview2-shim/filesystem'

_setPreopens({ '/': process.env.WASIFTP_ROOT ?? '.' })
