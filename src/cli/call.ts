import type { Api } from './client.ts'
import type { Io } from './io.ts'
import type { Format } from './output/format.ts'

/** The groups of `isobar --help`, in order. */
export const groups = ['Run', 'Look', 'Change', 'Money', 'Set up'] as const
type Group = (typeof groups)[number]

export type OptionSpec = {
  /** Such as `--max-cost <amount>`, or `-f, --follow`. */
  flags: string
  description: string
  default?: string
  choices?: readonly string[]
  /** May be given several times. */
  repeat?: true
}

/** One command: the only place where its name, arguments, options and help are written. */
export type CommandSpec = {
  /** One word, or two for a command of a group, such as `secret set`. */
  name: string
  /** Such as `<workload> [rank]`; `<files...>` for several. */
  arguments?: string
  group: Group
  summary: string
  details?: string
  options?: readonly OptionSpec[]
  examples: readonly string[]
  /** What one does next. */
  next?: string
  /** Whether it gives data, and so has `-o`. */
  data?: true
  /** Not shown in help. */
  hidden?: true
  /** What `group` alone does, for a command of two words. */
  isDefault?: true
  /** Loads what it does; loaded only when it is called. */
  action: () => Promise<Action>
}

/** What a command does. It returns its exit code, or nothing for 0. */
type Action = (call: Call) => Promise<number | void>

/** A command as someone called it. */
export type Call = {
  args: string[]
  /** What stood behind the `--` of `run`. */
  rest: string[]
  /** Whether an option without a value was given. */
  flag(name: string): boolean
  /** The value of an option. */
  text(name: string): string | undefined
  /** The values of an option that may be given several times. */
  texts(name: string): string[]
  io: Io
  format: Format
  /** The server, started if it has to be. The same for the whole call. */
  api(): Promise<Api>
  tree: readonly CommandSpec[]
}
