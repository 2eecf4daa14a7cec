import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { exitCodes } from '#cli/fault.ts'
import { attemptMoves } from '#model/attempt.ts'
import { leaseMoves } from '#model/lease.ts'
import type { Moves } from '#model/moves.ts'
import { operationMoves } from '#model/operation.ts'
import { rankMoves } from '#model/rank.ts'
import { replicaMoves } from '#model/replica.ts'
import { workloadMoves } from '#model/workload.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: root }).sort()
const read = (page: string): string => readFileSync(join(root, page), 'utf8')

/** What GitHub makes of a heading: the words in lower case, with dashes between them. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-')

const anchorsOf = (page: string): string[] =>
  [...page.replaceAll(/^```.*?^```/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))

test('every link within the documentation leads somewhere', () => {
  const broken = pages.flatMap((page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
    return links
      .filter((link) => !/^(https?|mailto):/.test(link) && !leads(page, link))
      .map((link) => `${page}: ${link}`)
  })
  assert.deepEqual(broken, [])
})

function leads(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? join(root, page) : resolve(root, dirname(page), path)
  if (!existsSync(target)) return false
  return anchor === undefined || (statSync(target).isFile() && anchorsOf(readFileSync(target, 'utf8')).includes(anchor))
}

test('the map of the documentation names every page of it', () => {
  const map = read('docs/README.md')
  const missing = globSync(['how-to/*.md', 'reference/*.md', 'explanation/*.md'], { cwd: join(root, 'docs') })
  assert.deepEqual(
    missing.filter((page) => !map.includes(`(${page})`)),
    [],
  )
})

test('every file of the sources that a page names exists', () => {
  const gone = pages.flatMap((page) =>
    [...read(page).matchAll(/`((?:src|test|docs|examples|bench|schemas|bin)\/[\w./-]+)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${page}: ${path}`),
  )
  assert.deepEqual(gone, [])
})

test('the page of states shows the tables of moves', () => {
  const tables: Record<string, Moves> = {
    Workload: workloadMoves,
    Replica: replicaMoves,
    Attempt: attemptMoves,
    Lease: leaseMoves,
    Rank: rankMoves,
    Operation: operationMoves,
  }
  for (const [noun, moves] of Object.entries(tables)) {
    const section = read('docs/reference/states.md').split(`\n## ${noun}\n`)[1]?.split('\n## ')[0] ?? ''
    const drawn = [...section.matchAll(/^ {2}(\w+) --> (\w+)$/gm)].map(([, from, to]) => `${from} → ${to}`)
    const told = [...section.matchAll(/^\| `(\w+)` \| .+ \| (.+) \|$/gm)].flatMap(([, from, next = '']) =>
      [...next.matchAll(/`(\w+)`/g)].map(([, to]) => `${from} → ${to}`),
    )
    const so = Object.entries(moves).flatMap(([from, next]) => next.map((to) => `${from} → ${to}`))
    assert.deepEqual([...drawn].sort(), [...so].sort(), noun)
    assert.deepEqual([...told].sort(), [...so].sort(), noun)
  }
})

test('the page of events names every type that the code tells, and no other', () => {
  const literal = globSync('src/**/*.ts', { cwd: root, exclude: ['**/*.test.ts'] }).flatMap((file) =>
    [...read(file).matchAll(/type: '([a-z]+\.[a-z]+)'/g)].map(([, type = '']) => type),
  )
  // Moves tell themselves (`src/store/queries/apply.ts`), to every state that something leads to; so does a site's reach.
  const reach = ['reachable', 'unreachable', 'denied'].map((word) => `site.${word}`)
  const told = new Set([...literal, ...moved('attempt', attemptMoves), ...moved('workload', workloadMoves), ...reach])
  const named = [...read('docs/reference/events.md').matchAll(/^\| `([a-z]+\.[a-z]+)` \|/gm)].map(
    ([, type = '']) => type,
  )
  assert.deepEqual(named.sort(), [...told].sort())
})

const moved = (noun: string, moves: Moves): string[] =>
  [...new Set(Object.values(moves).flat())].map((state) => `${noun}.${state}`)

test('the page of exit codes has every code', () => {
  const named = [...read('docs/reference/exit-codes.md').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
  assert.deepEqual(named, Object.values(exitCodes))
})
