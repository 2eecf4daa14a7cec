import type { Unreadable } from './duration.ts'

// Cloud catalogues, Kubernetes and people mean powers of two for memory, whatever they write; so GB is read as GiB.
const unitMiB: Record<string, number> = { M: 1, MB: 1, MI: 1, MIB: 1, G: 1024, GB: 1024, GI: 1024, GIB: 1024 }
for (const suffix of ['', 'B', 'I', 'IB']) unitMiB[`T${suffix}`] = 1024 * 1024

/**
 * Reads `80GB`, `512MiB`, `1.5T` as whole mebibytes. A bare number is gibibytes. Units are powers of two with either
 * spelling, because that is what memory and instance catalogues mean.
 */
export function parseSizeMiB(text: string | number): number | Unreadable {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(String(text).trim())
  const unit = match?.[2] ? unitMiB[match[2].toUpperCase()] : 1024
  const size = Math.round(Number(match?.[1]) * (unit ?? Number.NaN))
  return Number.isSafeInteger(size)
    ? size
    : { problem: `"${text}" is not a size; write for example 512MB, 80GB or 1.5TB` }
}

/** The shortest exact text of a size in mebibytes. Inverse of `parseSizeMiB`. */
export function formatSizeMiB(sizeMiB: number): string {
  if (sizeMiB > 0 && sizeMiB % (1024 * 1024) === 0) return `${sizeMiB / 1024 / 1024}TB`
  return sizeMiB > 0 && sizeMiB % 1024 === 0 ? `${sizeMiB / 1024}GB` : `${sizeMiB}MB`
}
