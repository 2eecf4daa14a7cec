const factors: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** An amount as Kubernetes writes it (`128974848`, `129M`, `123Mi`, `100m`, `1e3`); 0 for what is none. */
export function quantity(text: string | undefined): number {
  const [, digits = '', unit = ''] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([a-zA-Z]*)$/.exec(text ?? '') ?? []
  const value = Number(digits) * (factors[unit] ?? Number.NaN)
  return digits === '' || Number.isNaN(value) ? 0 : value
}
