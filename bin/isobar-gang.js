#!/usr/bin/env node
// Plain JavaScript, so that what it imports is compiled once and cached: an agent starts in half the time.
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Not in the shared temporary folder, where somebody else may have put something to run.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
enableCompileCache(process.env.NODE_COMPILE_CACHE || join(cache, 'isobar', 'compile'))
const [, , part, folder] = process.argv
if (part === 'rank') await (await import('../src/agent/gang-rank.ts')).joinGang(folder)
else await (await import('../src/agent/gang.ts')).leadGang(folder, fileURLToPath(import.meta.url))
process.exit(0)
