#!/usr/bin/env node
// Plain JavaScript, so that what it imports is compiled once and cached: an agent starts in half the time.
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Not in the shared temporary folder, where somebody else may have put something to run.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
enableCompileCache(process.env.NODE_COMPILE_CACHE || join(cache, 'isobar', 'compile'))
// Without a folder that all nodes see, a rank has one of its node, and whoever leads is told how others are started.
const [, , part, folder, ...command] = process.argv
const rank = () => import('../src/agent/gang-rank.ts')
const leader = () => import('../src/agent/gang.ts')
if (part === 'rank') await (await rank()).joinGang(folder)
else if (part === 'rank-afar') await (await rank()).joinGangAfar(folder)
else if (part === 'lead') await (await leader()).leadGang(folder, fileURLToPath(import.meta.url))
else await (await leader()).leadGangAfar([folder, ...command])
process.exit(0)
