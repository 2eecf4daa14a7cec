import { asCalled } from '#cli/as-called.ts'
import type { Call } from '#cli/call.ts'
import { colours, note, write } from '#cli/io.ts'
import type { Format } from './format.ts'
import { jsonPath } from './jsonpath.ts'
import { renderTable, type Column } from './table.ts'

/** A list that a command gives: what the API gave, its items, and how people and scripts see one. */
export type Listing<T> = {
  /** The whole answer, for json, yaml and jsonpath. */
  data: unknown
  items: readonly T[]
  columns: readonly Column<T>[]
  name: (item: T) => string
  /** What to say when there is none. */
  empty: string
}

/** Writes a list in the format that was asked for. */
export async function showList<T>(call: Call, listing: Listing<T>): Promise<void> {
  const { io, format } = call
  switch (format.kind) {
    case 'table':
    case 'wide': {
      if (listing.items.length === 0) return note(io, listing.empty)
      const style = { width: io.width, wide: format.kind === 'wide', colour: colours(io, 'stdout') }
      return write(io, renderTable(listing.items, listing.columns, style))
    }
    case 'ndjson':
      return write(io, listing.items.map((item) => `${JSON.stringify(item)}\n`).join(''))
    case 'name':
      return write(io, listing.items.map((item) => `${listing.name(item)}\n`).join(''))
    default:
      return writeData(call, listing.data)
  }
}

/** Writes one thing in the format that was asked for; `people` makes the text for people. */
export async function showOne(
  call: Call,
  one: { data: unknown; name: () => string; people: () => string },
): Promise<void> {
  const { io, format } = call
  if (format.kind === 'table' || format.kind === 'wide') return write(io, asCalled(io.env, one.people()))
  if (format.kind === 'name') return write(io, `${one.name()}\n`)
  return writeData(call, one.data)
}

/** One of an endless list of things, as a document of its own. */
export function dataLine(format: Format, data: unknown): string {
  if (format.kind === 'jsonpath') return `${jsonPath(format.path, data)}\n`
  // JSON is YAML, and --- keeps its documents apart.
  return `${format.kind === 'yaml' ? '---\n' : ''}${JSON.stringify(data)}\n`
}

async function writeData({ io, format }: Call, data: unknown): Promise<void> {
  if (format.kind === 'jsonpath') {
    const found = jsonPath(format.path, data)
    return write(io, found === '' || found.endsWith('\n') ? found : `${found}\n`)
  }
  if (format.kind === 'yaml') {
    const { stringify } = await import('yaml')
    return write(io, stringify(data))
  }
  return write(io, `${JSON.stringify(data, null, format.kind === 'ndjson' ? undefined : 2)}\n`)
}
