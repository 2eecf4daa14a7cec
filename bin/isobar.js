#!/usr/bin/env node
// The entry is plain JavaScript: it must start under any Node to say which one is needed, and it switches on the
// compile cache before the first TypeScript file is read.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const needed = 24

if (Number(process.versions.node.split('.')[0]) >= needed) {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE || join(cache, 'isobar', 'compile'))
  const { start } = await import('../src/cli/main.ts')
  await start()
} else {
  // `npm ci` brings the right Node along, next to this package or, when it is a dependency, beside it.
  const local = ['../node_modules/node/bin/node', '../../node/bin/node']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path))
  if (local) runUnder(local)
  else {
    console.error(`error: isobar needs Node ${needed} or newer, and this is ${process.version}`)
    console.error(`next: npm ci (brings Node ${needed} along), or install it from https://nodejs.org`)
    process.exitCode = 1
  }
}

/** Runs this command again under another Node, and ends the way that one ends. */
function runUnder(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    // A terminal sends Ctrl-C to both of us; passing it on would make it two.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)))
  child.on('error', (error) => {
    console.error(`error: ${node} could not be started: ${error.message}`)
    console.error('next: npm ci')
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
