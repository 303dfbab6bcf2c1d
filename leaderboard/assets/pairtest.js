"use strict";

// Two models on the same queries: the method of `mbench compare` (mbench.scoring.paired) on the columns that the site
// ships. The p-value is that of the sign-flip test: exact where all differences are multiples of one step (hit rates),
// else over random signs. The interval is a percentile bootstrap. Random draws are seeded, and others than Python's:
// intervals and sampled p-values agree with `mbench compare` up to what two seeds differ by.
(() => {
  const RESAMPLES = 10000;
  const MOST_DRAWS = 4e7;
  const LARGEST_SUM = 30000;
  const ROUNDING = 1e-9;

  // xoshiro128**: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021.
  function generator(seed) {
    let state = seed >>> 0;
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    let [a, b, c, d] = [next(), next(), next(), next()];
    return () => {
      const scaled = Math.imul(b, 5);
      const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = (d << 11) | (d >>> 21);
      return result;
    };
  }

  const DIGITS = new Map(Array.from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-./:;=?@[]^_{|}~", (c, i) => [c, i]));

  // The values of a column that `scripts.coded` wrote; NaN for a query that is not judged.
  function decode({ values, codes, width }) {
    const column = new Float64Array(codes.length / width);
    for (let row = 0; row < column.length; row += 1) {
      let place = 0;
      for (let digit = 0; digit < width; digit += 1) place = place * DIGITS.size + (DIGITS.get(codes[row * width + digit]) ?? NaN);
      column[row] = Number.isNaN(place) ? NaN : values[place];
    }
    return column;
  }

  // Cluster numbers that `scripts.numbered` wrote: -1 for a query of its own.
  function clustersOf(text) {
    return text === null ? null : text.split(" ").map((one) => (one === "" ? -1 : parseInt(one, 36)));
  }

  // What is drawn and flipped as a whole: sums of differences and sizes, of single queries or of clusters.
  function units(differences, clusters) {
    const sums = new Map();
    differences.forEach((difference, row) => {
      if (Number.isNaN(difference)) return;
      const key = clusters === null || clusters[row] < 0 ? `q${row}` : clusters[row];
      const unit = sums.get(key) ?? { sum: 0, size: 0 };
      unit.sum += difference;
      unit.size += 1;
      sums.set(key, unit);
    });
    const found = [...sums.values()];
    return { sums: Float64Array.from(found, (one) => one.sum), sizes: Float64Array.from(found, (one) => one.size) };
  }

  function signFlip(sums, seed) {
    const sizes = Array.from(sums, Math.abs).filter((size) => size > ROUNDING);
    if (!sizes.length) return 1;
    const observed = Math.abs(sums.reduce((total, one) => total + one, 0));
    const step = Math.min(...sizes);
    const steps = sizes.map((size) => Math.round(size / step));
    const even = sizes.every((size, place) => Math.abs(size / step - steps[place]) < ROUNDING);
    const total = steps.reduce((sum, one) => sum + one, 0);
    return even && total <= LARGEST_SUM ? exact(steps, total, Math.round(observed / step)) : sampled(sizes, observed, seed);
  }

  // The distribution of the sum by convolution: chances[i] is that of the positive ones summing to i.
  function exact(steps, total, observed) {
    let chances = new Float64Array(total + 1);
    chances[0] = 1;
    let reached = 0;
    for (const step of steps) {
      for (let sum = reached; sum >= 0; sum -= 1) {
        const half = chances[sum] / 2;
        chances[sum] = half;
        chances[sum + step] += half;
      }
      reached += step;
    }
    let p = 0;
    for (let sum = 0; sum <= total; sum += 1) if (Math.abs(2 * sum - total) >= observed) p += chances[sum];
    return Math.min(1, p);
  }

  function sampled(sizes, observed, seed) {
    const random = generator(seed);
    const far = observed - 1e-12 * sizes.reduce((sum, one) => sum + one, 0);
    const resamples = affordable(sizes.length);
    let asFar = 0;
    for (let resample = 0; resample < resamples; resample += 1) {
      let sum = 0;
      let bits = 0;
      for (let unit = 0; unit < sizes.length; unit += 1) {
        if (unit % 32 === 0) bits = random();
        sum += bits & 1 ? sizes[unit] : -sizes[unit];
        bits >>>= 1;
      }
      if (Math.abs(sum) >= far) asFar += 1;
    }
    return (1 + asFar) / (1 + resamples);
  }

  function affordable(n) {
    return Math.max(1000, Math.min(RESAMPLES, Math.floor(MOST_DRAWS / n)));
  }

  function interval({ sums, sizes }, seed) {
    const n = sums.length;
    if (n < 2) return [null, null];
    const random = generator(seed);
    const means = new Float64Array(affordable(n));
    for (let resample = 0; resample < means.length; resample += 1) {
      let sum = 0;
      let size = 0;
      for (let draw = 0; draw < n; draw += 1) {
        const unit = Math.floor((random() / 4294967296) * n);
        sum += sums[unit];
        size += sizes[unit];
      }
      means[resample] = sum / size;
    }
    means.sort();
    return [quantile(means, 0.025), quantile(means, 0.975)];
  }

  function quantile(sorted, share) {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  }

  // A against B: null where they are not judged on the same queries, or on fewer than two.
  function pairTest(a, b, clusters = null, seed = 0) {
    if (a.length !== b.length || a.some((value, row) => Number.isNaN(value) !== Number.isNaN(b[row]))) return null;
    const differences = a.map((value, row) => value - b[row]);
    const known = differences.filter((one) => !Number.isNaN(one));
    if (known.length < 2) return null;
    const grouped = units(differences, clusters);
    const [low, high] = interval(grouped, seed);
    return {
      n: known.length,
      difference: known.reduce((sum, one) => sum + one, 0) / known.length,
      low,
      high,
      p: signFlip(grouped.sums, seed),
      wins: known.filter((one) => one > 0).length,
      ties: known.filter((one) => one === 0).length,
      losses: known.filter((one) => one < 0).length,
    };
  }

  // p-values adjusted for their number: Holm, "A simple sequentially rejective multiple test procedure", 1979.
  function holm(values) {
    const order = values.map((_, place) => place).sort((x, y) => values[x] - values[y]);
    const adjusted = new Array(values.length);
    let reached = 0;
    order.forEach((place, rank) => {
      reached = Math.max(reached, values[place] * (values.length - rank));
      adjusted[place] = Math.min(1, reached);
    });
    return adjusted;
  }

  window.mbenchPairs = { decode, clustersOf, pairTest, holm };
})();
