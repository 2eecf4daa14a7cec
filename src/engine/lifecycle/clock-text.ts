/** `12:04:05 UTC`. Written out by hand: the engine has no clock and no calendar of its own. */
export function timeOf(at: number): string {
  const seconds = Math.floor(at / 1000) % 86_400
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)} UTC`
}

const two = (value: number): string => String(value).padStart(2, '0')
