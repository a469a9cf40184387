/**
 * How far work is, and how long the rest takes.
 *
 * @module
 */
import { useRef } from "preact/hooks";
import { type Texts, useTexts } from "../texts/texts.ts";
import type { Progress } from "../worker/protocol.ts";

/** Seconds as people read them. */
export function duration(seconds: number, { time }: Texts): string {
  if (seconds < 9.95) return time.seconds(seconds.toFixed(1));
  const whole = Math.round(seconds);
  if (whole < 60) return time.seconds(String(whole));
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return time.minutes(minutes, whole % 60);
  return time.hours(Math.floor(minutes / 60), minutes % 60);
}

/** A bar, what is done of what, and the time left. */
export function ProgressView({ progress }: { readonly progress: Progress }) {
  const texts = useTexts();
  const { step, done, total } = progress;
  const start = useRef({ step: "", done: 0, at: 0 });
  if (start.current.step !== step) start.current = { step, done, at: performance.now() };
  const since = done - start.current.done;
  const seconds = (performance.now() - start.current.at) / 1000;
  const left = total && since > 0 && done < total
    ? texts.run.left(duration(seconds / since * (total - done), texts))
    : "";
  const counted = texts.run.progress(done, total);
  const name = texts.run.steps[step];
  return (
    <div class="progress">
      <p role="status">{name}</p>
      {total
        ? <progress aria-label={name} value={Math.min(done, total)} max={total} />
        : <progress aria-label={name} />}
      <p class="counted" data-testid="counted">{[counted, left].filter(Boolean).join(" · ")}</p>
    </div>
  );
}
