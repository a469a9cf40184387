/**
 * A button that puts a text where it can be pasted from.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { useTexts } from "../texts/texts.ts";

/** Says so once it is there; where a browser does not allow it, the text is there to be selected. */
export function CopyButton({ text }: { readonly text: string }) {
  const words = useTexts().copying;
  const [copied, setCopied] = useState<string>();
  const copy = () =>
    navigator.clipboard?.writeText(text).then(() => setCopied(text), () => setCopied(undefined));
  return (
    <>
      <button type="button" onClick={copy}>{words.copy}</button>
      <span role="status" class="muted small">{copied === text ? words.copied : ""}</span>
    </>
  );
}
