import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

import { z } from 'zod'

import { ServerProblem } from './server-problem.ts'

/** One option of the server: where it is read from, what it means, and what it is without being set. */
type Option = { env?: string; flag?: string; schema: z.ZodType; description: string }

function wholeNumber(least: number, most: number) {
  const text = `must be a whole number from ${least} to ${most}`
  return z.coerce.number(text).int(text).min(least, text).max(most, text)
}

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** All options of the server, declared once: the command line, the environment and the documentation come from here. */
export const serverOptions = {
  home: {
    env: 'ISOBAR_HOME',
    schema: z
      .string()
      .min(1)
      .default(join(homedir(), '.isobar'))
      .transform((path) => resolve(path)),
    description: 'State directory.',
  },
  listen: {
    env: 'ISOBAR_LISTEN',
    flag: '--listen <host:port>',
    schema: z
      .string()
      .regex(/^(.*:)?\d{1,5}$/, 'must be host:port, such as 127.0.0.1:7411')
      .optional(),
    description: 'Where to listen: 127.0.0.1:7411 by default; port 0 takes any that is free.',
  },
  port: {
    env: 'ISOBAR_PORT',
    flag: '--port <port>',
    schema: wholeNumber(0, 65_535).optional(),
    description: 'The port alone.',
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
      .optional(),
    description: 'PostgreSQL 15 or newer; without it the server starts a private one.',
  },
  keyFile: {
    env: 'ISOBAR_KEY_FILE',
    flag: '--key-file <path>',
    schema: z.string().min(1).optional(),
    description: 'The 32 bytes that secrets are sealed with, in hex; shared by all control planes of one database.',
  },
  shared: {
    env: 'ISOBAR_SHARED',
    schema: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional(),
    description:
      'Directory that all control planes of one database see, for bundles, logs and checkpoints; the state directory without it.',
  },
  keepDays: {
    env: 'ISOBAR_KEEP_DAYS',
    flag: '--keep-days <days>',
    schema: wholeNumber(1, 36_500).default(90),
    description: 'How long ended workloads are kept, with their logs and checkpoints. The ledger is kept for ever.',
  },
  movesPerHour: {
    env: 'ISOBAR_MOVES_PER_HOUR',
    flag: '--moves-per-hour <count>',
    schema: wholeNumber(0, 1_000_000).default(0),
    description:
      'How many workloads may be stopped and started elsewhere in an hour, so that a gang finds room in one domain, or that a job with a deadline goes back to spot capacity.',
  },
  token: {
    env: 'ISOBAR_TOKEN',
    schema: z.string().min(32, 'must have 32 characters at least').max(500).optional(),
    description: 'The token of the API, instead of the one in the state directory.',
  },
  allowRemote: {
    env: 'ISOBAR_ALLOW_REMOTE',
    flag: '--allow-remote',
    schema: z.union([z.boolean(), z.stringbool()]).default(false),
    description: 'Listen on an address that other machines reach; needs ISOBAR_TOKEN.',
  },
  advertise: {
    env: 'ISOBAR_ADVERTISE',
    flag: '--advertise <url>',
    schema: z.url({ protocol: /^https?$/ }).optional(),
    description: 'Address that agents dial, where it is not the one it listens on.',
  },
  logLevel: {
    env: 'ISOBAR_LOG_LEVEL',
    flag: '--log-level <level>',
    schema: z.enum(levels, `must be one of ${levels.join(', ')}`).default('info'),
    description: 'What is worth a line of log.',
  },
  detached: {
    flag: '--detached',
    schema: z.boolean().default(false),
    description: 'Log to logs/server.log of the state directory, bounded, instead of to standard error.',
  },
} as const satisfies Record<string, Option>

type Read = { [K in keyof typeof serverOptions]: z.output<(typeof serverOptions)[K]['schema']> }

/** The options of a server, checked. */
export type ServerOptions = Omit<Read, 'listen' | 'port'> & {
  host: string
  /** Null: the port that the state directory remembers, or the default. */
  port: number | null
}

export const defaultPort = 7411

/** What was given on the command line goes before the environment. Throws a `ServerProblem` that names the option. */
export function readOptions(
  given: { [K in keyof Read]?: unknown },
  environment: Record<string, string | undefined>,
): ServerOptions {
  const read: Record<string, unknown> = {}
  for (const [name, option] of Object.entries<Option>(serverOptions)) {
    const fromEnvironment = option.env === undefined ? undefined : environment[option.env] || undefined
    const value = option.schema.safeParse(given[name as keyof Read] ?? fromEnvironment)
    if (!value.success) throw wrong(name, option, value.error.issues[0]?.message ?? 'is not right')
    read[name] = value.data
  }
  const { listen, port, ...rest } = read as Read // each value came out of its own schema
  const [host, listenPort] = splitListen(listen)
  const options = { ...rest, host, port: port ?? listenPort }
  refuseOpenDoor(options)
  return options
}

const wrong = (name: string, { env, flag }: Option, message: string): ServerProblem =>
  new ServerProblem('usage', `The option ${flag ?? env ?? name} ${message}.\nisobar serve --help`)

function splitListen(listen: string | undefined): [string, number | null] {
  if (listen === undefined) return ['127.0.0.1', null]
  const at = listen.lastIndexOf(':')
  const host = listen.slice(0, Math.max(0, at)).replaceAll(/^\[|\]$/g, '')
  return [host === '' ? '127.0.0.1' : host, Number(listen.slice(at + 1))]
}

/** Whether only this machine reaches an address. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

function refuseOpenDoor({ host, allowRemote, token }: Pick<ServerOptions, 'host' | 'allowRemote' | 'token'>): void {
  if (isLoopback(host)) return
  if (!allowRemote)
    throw new ServerProblem(
      'usage',
      `${host} is reached by other machines, and the server listens on this machine only unless it is told otherwise.\n` +
        `If that is meant: ISOBAR_TOKEN=<32 characters or more> isobar serve --allow-remote --listen ${host}:${defaultPort}`,
    )
  if (token === undefined)
    throw new ServerProblem(
      'usage',
      'Listening for other machines needs a token of your own, because the one in the state directory stays on this machine.\n' +
        `Set one: ISOBAR_TOKEN=$(openssl rand -hex 32) isobar serve --allow-remote --listen ${host}:${defaultPort}`,
    )
}
