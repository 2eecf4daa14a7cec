/** How something went over time, in at most `mostBins` equal parts of it. */
export type Series = {
  readonly binMs: number
  /** For each bin, the mean of each thing over its time. */
  rows(): number[][]
  /** From `from` to `to`, the things had these values. Called in the order of time. */
  add(from: number, to: number, values: readonly number[]): void
}

const mostBins = 400

/** Keeps sums; when time runs beyond the last bin, two bins become one. */
export function createSeries(things: number): Series {
  let binMs = 1000
  let end = 0
  const sums = new Float64Array(mostBins * things)
  const fold = (): void => {
    for (let bin = 0; bin < mostBins; bin++)
      for (let i = 0; i < things; i++)
        sums[bin * things + i] =
          bin < mostBins / 2 ? (sums[2 * bin * things + i] ?? 0) + (sums[(2 * bin + 1) * things + i] ?? 0) : 0
  }
  return {
    get binMs() {
      return binMs
    },
    rows() {
      const bins = Math.ceil(end / binMs)
      return Array.from({ length: bins }, (_, bin) => {
        const width = Math.min(end, (bin + 1) * binMs) - bin * binMs
        return Array.from({ length: things }, (__, i) => (sums[bin * things + i] ?? 0) / width)
      })
    },
    add(from, to, values) {
      for (; to > binMs * mostBins; binMs *= 2) fold()
      end = to
      for (let at = from; at < to;) {
        const bin = Math.floor(at / binMs)
        const until = Math.min(to, (bin + 1) * binMs)
        for (let i = 0; i < things; i++)
          sums[bin * things + i] = (sums[bin * things + i] ?? 0) + (values[i] ?? 0) * (until - at)
        at = until
      }
    },
  }
}
