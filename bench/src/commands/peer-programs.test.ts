import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fastapiPeer, goPeer } from './peer-programs.ts'

t.test('without Go the reason names what to install', async (t) => {
  t.match(goPeer(t.testdir({}), '/none/go'), { kind: 'absent', reason: /no Go .*golang/ })
})

t.test('without Python, or without its packages, the reason names what is missing', async (t) => {
  t.match(fastapiPeer([join(t.testdir({}), 'python3')]), { kind: 'absent', reason: /python3-fastapi/ })
  const python = join(t.testdir({}), 'python3')
  writeFileSync(python, '#!/bin/sh\necho "ModuleNotFoundError: No module named \'fastapi\'" >&2\nexit 1\n')
  chmodSync(python, 0o755)
  t.match(fastapiPeer([python]), { kind: 'absent', reason: /No module named 'fastapi' \(Debian/ })
})
