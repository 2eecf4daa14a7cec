import type { BrokenRule } from './problem.ts'
import type { Spec } from './spec.ts'

/**
 * How fast a workload runs on accelerators of a model, in thousandths of the speed for which `duration.expected` is
 * told. 1000 where nothing is said. Models compare without case.
 */
export function speedPermille({ throughput }: Pick<Spec, 'throughput'>, model: string | undefined): number {
  const named = Object.entries(throughput).find(([name]) => name.toLowerCase() === model?.toLowerCase())
  return named ? Math.round(named[1] * 1000) : 1000
}

type Timed = Pick<Spec, 'throughput' | 'duration'>

/** How long it is expected to run on accelerators of a model, in milliseconds; undefined where nothing is said. */
export function expectedMsOn(spec: Timed, model: string | undefined): number | undefined {
  const { expectedMs } = spec.duration
  return expectedMs === undefined ? undefined : atSpeed(expectedMs, speedPermille(spec, model))
}

/** … on the fastest and on the slowest that it names, where it may run on others at speed 1. */
export function expectedMsAtMost({ throughput, duration: { expectedMs } }: Timed): number | undefined {
  return expectedMs === undefined ? undefined : atSpeed(expectedMs, 1000 * Math.min(1, ...Object.values(throughput)))
}
export function expectedMsAtLeast({ throughput, duration: { expectedMs } }: Timed): number | undefined {
  return expectedMs === undefined ? undefined : atSpeed(expectedMs, 1000 * Math.max(1, ...Object.values(throughput)))
}

const atSpeed = (ms: number, permille: number): number => Math.ceil((ms * 1000) / permille)

/** One model that is there under two spellings would have two speeds. */
export function throughputRules({ throughput }: Pick<Spec, 'throughput'>): BrokenRule[] {
  const models = Object.keys(throughput)
  const same = (index: number) => models.findIndex((each) => each.toLowerCase() === models[index]?.toLowerCase())
  return models.flatMap((model, index) =>
    same(index) === index
      ? []
      : [
          {
            path: ['throughput', model],
            message: `${models[same(index)]} is the same model`,
            fix: 'keep one of the two',
          },
        ],
  )
}
