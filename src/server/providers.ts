import type { Provider } from '#providers/provider.ts'
import type { Metrics } from './metrics.ts'

/** The providers of a house, as its sites.yaml says. */
export async function openProviders(_options: { home: string; metrics: Metrics }): Promise<Map<string, Provider>> {
  return new Map()
}
