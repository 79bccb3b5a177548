// Bursts: many pictures of one class from one camera in quick succession take one place in the list of defects, so that
// they do not push out everything else.

const GAP_MS = 2000;
const CARDS_MIN = 3;

// Group cards, which come newest first. Return [{card, count, span_ms}]: the newest card of each burst, and how many
// cards it stands for. Fewer than three cards are not a burst.
export function bursts(cards) {
  const groups = [];
  const last = new Map(); // key -> the group that an older card may join
  for (const card of cards) {
    const key = JSON.stringify([card.line, card.coil, card.camera, card.novel || card.label]);
    const at = Date.parse(card.captured_at);
    const group = last.get(key);
    if (group && Math.abs(group.oldest - at) <= GAP_MS) {
      group.cards.push(card);
      group.oldest = at;
    } else {
      const begun = { cards: [card], newest: at, oldest: at };
      groups.push(begun);
      last.set(key, begun);
    }
  }
  return groups
    .flatMap(({ cards: found, newest, oldest }) =>
      found.length < CARDS_MIN
        ? found.map((card) => ({ card, count: 1, span_ms: 0 }))
        : [{ card: found[0], count: found.length, span_ms: newest - oldest }])
    .sort((a, b) => b.card.seq - a.card.seq);
}

export function burstText({ count, span_ms: spanMs }) {
  return count > 1 ? `${count} pictures in ${Math.max(1, Math.round(spanMs / 1000))} s` : "";
}
