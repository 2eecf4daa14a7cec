import { basename } from 'node:path/posix'

/** A part of a word: text as it stands, or the value of a variable. */
export type Part = { text: string } | { variable: string }

/** A word as a shell reads it: quoted only where it must be. */
export const word = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`

/** A word with the values of variables in it. */
function wordOf(parts: readonly Part[]): string {
  if (parts.every((part) => 'text' in part)) return word(parts.map(({ text }) => text).join(''))
  const inner = parts.map((part) =>
    'text' in part ? part.text.replaceAll(/[\\"$`]/g, String.raw`\$&`) : `\${${part.variable}}`,
  )
  return `"${inner.join('')}"`
}

/** Longer commands have a line for each option. */
const longestLine = 100

/** The words of a command as a line of a shell, or as several where it is long. */
export function commandLine(words: readonly (readonly Part[])[]): string {
  const written = words.map(wordOf)
  const line = written.join(' ')
  if (line.length <= longestLine || line.includes('\n')) return line
  const lines: string[] = []
  for (const one of written)
    if (one.startsWith('-') || lines.length === 0) lines.push(one)
    else lines.push(`${lines.pop() ?? ''} ${one}`)
  return lines.join(' \\\n  ')
}

const shells: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'ash', 'ksh', 'zsh'])

/** `sh -c script` taken apart: which shell, its other options, the script, and what stands behind it. */
export function scriptIn(words: readonly string[]): { shell: string[]; script: number; rest: number } | undefined {
  const [shell = ''] = words
  if (!shells.has(basename(shell))) return undefined
  const options: string[] = []
  for (let at = 1; at < words.length; at++) {
    const option = words[at] ?? ''
    if (!/^[-+][a-zA-Z]+$/.test(option)) return undefined
    const others = option.startsWith('-') ? option.replace('c', '') : option
    if (others.length > 1) options.push(others)
    if (others.endsWith('o')) options.push(words[++at] ?? '')
    if (others !== option) return { shell: [shell, ...options], script: at + 1, rest: at + 2 }
  }
  return undefined
}

/**
 * Commands that hand a script to the program that reads it. Isobar itself starts /bin/sh: for that the script is the
 * commands. Another reads it from a file descriptor of its own, so that standard input stays what it was.
 */
export function handedTo(shell: readonly string[], script: string): string {
  const [program = '', ...options] = shell
  if (basename(program) === 'sh' && options.length === 0) return script
  const end = endFor(script)
  const start = [program, ...options].map(word).join(' ')
  return `exec ${start} /dev/fd/3 3<<'${end}'\n${script.replace(/\n*$/, '\n')}${end}`
}

/** A line that the script does not hold itself. */
function endFor(script: string): string {
  let end = 'END'
  while (script.split('\n').includes(end)) end += '_'
  return end
}
