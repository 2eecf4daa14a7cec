/**
 * Processor time of this process: rates are per second of it, so that they are those of one core even where others
 * compute beside us. Latencies are by the clock on the wall, and hold what others took.
 */
export const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

export const rssMB = (): number => Math.round(process.memoryUsage().rss / 1e6)
