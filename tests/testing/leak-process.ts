import { subscribe } from 'node:diagnostics_channel'
import { openSync } from 'node:fs'

// Loaded into a service by `node --import`: a planted leak, for the tests of what must find one. Each request leaves 64 KB behind, and each
// tenth an open file.

const left: number[][] = []

subscribe('http.server.request.start', () => {
  left.push(Array.from({ length: 8000 }, Math.random))
  if (left.length % 10 === 0) openSync('/dev/null', 'r')
})
