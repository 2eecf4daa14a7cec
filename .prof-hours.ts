import { measures } from '#simulator/house/measure.ts'
import { storyOf } from '#simulator/house/draw.ts'
import { onMemory } from '#simulator/house/on-memory.ts'
import { runStory } from '#simulator/house/run.ts'
const seeds = process.argv.slice(2).map(Number)
for (const seed of seeds) {
  const story = storyOf(seed, measures.fleet)
  const rows: number[] = []
  let from = 0, last = process.cpuUsage(), hour = 0
  const t0 = process.cpuUsage()
  const ending = await runStory(story, async (clock, ...rest) => {
    from = clock.now()
    const old = clock.advance
    clock.advance = async (ms) => {
      await old(ms)
      const h = Math.floor((clock.now() - from) / 3_600_000)
      if (h > hour) { const now = process.cpuUsage(); rows.push(Math.round((now.user + now.system - last.user - last.system) / 1000)); last = now; hour = h }
    }
    return (onMemory as any)(clock, ...rest)
  })
  const t = process.cpuUsage(t0)
  const cpu = (t.user + t.system) / 1e6
  console.log(seed, 'hours', (ending.simulatedMs / 3.6e6).toFixed(1), 'cpu s', cpu.toFixed(1), 'rate', (ending.simulatedMs / 3.6e6 / cpu * 60).toFixed(0), 'calls', ending.calls, 'breaches', ending.breaches.length)
  console.log(rows.join(' '))
}
