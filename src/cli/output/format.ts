import { CliFault, exitCodes } from '#cli/fault.ts'

/** How data is written. */
export type Format =
  | { kind: 'table' | 'wide' | 'json' | 'yaml' | 'ndjson' | 'name' }
  | { kind: 'jsonpath'; path: string }

export const formatNames = ['table', 'wide', 'json', 'yaml', 'ndjson', 'name', 'jsonpath=<path>'] as const

/** Reads the value of `-o`. */
export function parseFormat(text: string): Format {
  if (text.startsWith('jsonpath=')) return { kind: 'jsonpath', path: text.slice('jsonpath='.length) }
  switch (text) {
    case 'table':
    case 'wide':
    case 'json':
    case 'yaml':
    case 'ndjson':
    case 'name':
      return { kind: text }
    default:
      throw new CliFault(`there is no output format "${text}"`, {
        code: exitCodes.usage,
        why: `It is one of ${formatNames.join(', ')}.`,
        next: ['isobar help output'],
      })
  }
}

/** Whether people read it. */
export const forPeople = (format: Format): boolean => format.kind === 'table' || format.kind === 'wide'
