import { quoted } from '#kit/quoted.ts'

import type { Call } from './call.ts'

/** Options about the price: whoever is told to allow more gives them anew. */
const replaced = new Set(['--max-cost', '--yes', '--confirm-above'])

/**
 * A command line as it was given, with one more option, to name as the fix. All that decides what runs is in it; but not
 * the values of --env, which may be secrets.
 */
export function calledAgain(
  call: Pick<Call, 'args' | 'rest' | 'flag' | 'text' | 'texts' | 'tree'>,
  more: string,
): string {
  const options = call.tree.find(({ name }) => name === 'run')?.options ?? []
  const given = options.flatMap(({ flags, default: normal }) => {
    const option = /--[\w-]+/.exec(flags)?.[0] ?? ''
    const name = option.slice(2)
    if (replaced.has(option)) return []
    if (option === '--env') return call.texts(name).map((pair) => `-e ${quoted(pair.split('=', 1)[0] ?? '')}=…`)
    if (call.flag(name)) return [option]
    const value = call.text(name)
    return value === undefined || value === normal ? [] : [`${option} ${quoted(value)}`]
  })
  const format = call.text('output')
  if (format !== undefined && format !== 'table') given.push(`-o ${quoted(format)}`)
  const rest = call.rest.length > 0 ? ['--', ...call.rest.map(quoted)] : []
  return ['isobar run', ...call.args.map(quoted), ...given, more, ...rest].join(' ')
}
