import { type Input, InputFault } from './input.ts'
import { byArrival, type Job, jobOf, type Trace } from './job.ts'
import { fromZero } from './philly.ts'
import { linesOf, momentCell, readTable, wholeNumber } from './table.ts'

/** How fast one accelerator serves a request, in tokens a second. */
export type ServiceRate = { prefill: number; decode: number }

/** What a model of 70 billion parameters does about on one accelerator of 2024. */
export const defaultRate: ServiceRate = { prefill: 5000, decode: 50 }

type Request = { arrivalMs: number; contextTokens: number; generatedTokens: number }

/** Requests to a model as an array of small jobs: each takes one accelerator for as long as its tokens take. */
function jobsOf(requests: readonly Request[], rate: ServiceRate): Job[] {
  return requests.map(({ arrivalMs, contextTokens, generatedTokens }, index) =>
    jobOf({
      id: `request-${index + 1}`,
      arrivalMs,
      amount: 1,
      ranks: 1,
      durationMs: Math.max(1, Math.round((contextTokens / rate.prefill + generatedTokens / rate.decode) * 1000)),
      kind:
        contextTokens < 1000 ? 'context below 1k' : contextTokens < 8000 ? 'context 1k to 8k' : 'context 8k or more',
    }),
  )
}

/** Reads the requests of Azure's LLM inference traces (Patel et al., "Splitwise", ISCA 2024). */
export function readAzure(input: Input, rate: ServiceRate): Trace {
  const rows = readTable(input, { required: ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'] })
  const requests = [...rows].map((row) => ({
    arrivalMs: momentCell(row, 'TIMESTAMP'),
    contextTokens: wholeNumber(row, 'ContextTokens'),
    generatedTokens: wholeNumber(row, 'GeneratedTokens'),
  }))
  return { file: input.file, format: 'azure', jobs: fromZero(byArrival(jobsOf(requests, rate))) }
}

/** Reads the requests of Mooncake (Qin et al., FAST 2025): one JSON object a line, times in milliseconds. */
export function readMooncake(input: Input, rate: ServiceRate): Trace {
  const requests = [...linesOf(input.text)].map(({ text, at }): Request => {
    const fix = 'write it like {"timestamp": 0, "input_length": 6758, "output_length": 500}'
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (cause) {
      const column = Number(/position (\d+)/.exec(String(cause))?.[1] ?? 0)
      throw new InputFault(input.wrong(at + column, 'this line is not JSON', fix).problems, { cause })
    }
    const numberOf = (key: string): number => {
      const found = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined // any object
      if (typeof found === 'number' && found >= 0) return found
      throw input.wrong(at + Math.max(0, text.indexOf(`"${key}"`)), `${key} is not a number of 0 or more`, fix)
    }
    return {
      arrivalMs: Math.round(numberOf('timestamp')),
      contextTokens: numberOf('input_length'),
      generatedTokens: numberOf('output_length'),
    }
  })
  return { file: input.file, format: 'mooncake', jobs: fromZero(byArrival(jobsOf(requests, rate))) }
}
