import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// How long commands take that need no server, beside Node alone. Goal: `isobar --help` in 80 ms.
// Run it with: node bench/cli-start.ts

const bin = fileURLToPath(new URL('../bin/isobar.js', import.meta.url))
const rounds = 15
const home = mkdtempSync(join(tmpdir(), 'isobar-bench-'))
const env = { ...process.env, ISOBAR_HOME: home, XDG_CACHE_HOME: home }

function time(argv: string[]): number {
  const began = performance.now()
  spawnSync(process.execPath, argv, { env })
  return performance.now() - began
}

const lines: [string, string[]][] = [
  ['node -e 0', ['-e', '0']],
  ['isobar --help', [bin, '--help']],
  ['isobar run --help', [bin, 'run', '--help']],
  ['isobar completion bash', [bin, 'completion', 'bash']],
  ['isobar server status (none runs)', [bin, 'server', 'status']],
]
for (const [, argv] of lines) time(argv) // fills the compile cache
const times = new Map(lines.map(([name]) => [name, [] as number[]]))
// In turns, so that whatever else the machine does meets all of them alike.
for (let round = 0; round < rounds; round++) for (const [name, argv] of lines) times.get(name)?.push(time(argv))
console.log(`${'ms, of'.padEnd(34)} ${rounds} rounds: median, fastest`)
for (const [name, all] of times) {
  const [fastest = 0] = all.sort((a, b) => a - b)
  const median = all[Math.floor(rounds / 2)] ?? 0
  console.log(`${name.padEnd(34)} ${median.toFixed(0).padStart(5)} ${fastest.toFixed(0).padStart(5)}`)
}
rmSync(home, { recursive: true })
