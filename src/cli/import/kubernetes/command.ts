import type { Field } from '#cli/import/field.ts'
import { commandLine, handedTo, scriptIn, type Part } from '#cli/import/shell.ts'

/** Variables of a container: their values where the manifest has them. */
export type Variables = ReadonlyMap<string, string | undefined>

/**
 * A text with the references that Kubernetes replaces in commands and values taken apart: `$(NAME)` of a variable that the
 * container has. Others stay as they stand, and `$$` is one dollar.
 */
export function partsOf(text: string, variables: Variables): Part[] {
  const parts: Part[] = []
  let plain = ''
  for (const [found, name] of text.matchAll(/\$\$|\$\(([A-Za-z_][\w.-]*)\)|[^$]+|\$/g)) {
    if (name !== undefined && variables.has(name)) {
      if (plain !== '') parts.push({ text: plain })
      plain = ''
      parts.push({ variable: name })
    } else plain += found === '$$' ? '$' : found
  }
  return plain === '' && parts.length > 0 ? parts : [...parts, { text: plain }]
}

/** The text with the values of its references, those that nobody knows yet as a shell writes them. */
export const filledIn = (text: string, variables: Variables): string =>
  partsOf(text, variables)
    .map((part) => ('text' in part ? part.text : (variables.get(part.variable) ?? `\${${part.variable}}`)))
    .join('')

/** What a container runs, as commands of a shell; undefined where its image says what, and nobody else. */
export function commandOf(
  container: Field,
  variables: Variables,
  { entrypoint, to }: { entrypoint?: string | undefined; to: 'run' | 'setup' },
): string | undefined {
  const command = container.at('command').texts(to)
  const args = container.at('args').texts(to)
  const parts = (words: readonly string[]): Part[][] => words.map((one) => partsOf(one, variables))
  if (command.length === 0) return entrypoint && [entrypoint, commandLine(parts(args))].filter(Boolean).join(' ')
  const words = [...command, ...args]
  const found = scriptIn(words)
  const script = found && words[found.script]
  if (!found || script === undefined || words.length > found.rest) return commandLine(parts(words))
  return handedTo(found.shell, filledIn(script, variables))
}
