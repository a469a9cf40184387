/**
 * What stands around the two tabs: their names, the language, the theme.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import { LANGUAGES, THEMES, useLanguage, useTheme } from "./preferences.ts";
import { QuantizeTab } from "./quantize/quantize_tab.tsx";
import { TEXTS, TextsContext } from "./texts/texts.ts";
import { TutorialTab } from "./tutorial/tutorial_tab.tsx";

const TABS = ["quantize", "tutorial"] as const;

/** Names of languages, each in itself. */
const NAMES = { en: "English", zh: "中文" };

/** The tab that the address names. */
function useTab(): typeof TABS[number] {
  const read = () => TABS.find((tab) => location.hash === `#${tab}`) ?? TABS[0];
  const [tab, setTab] = useState(read);
  useEffect(() => {
    const onChange = () => setTab(read());
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return tab;
}

/** The whole page. */
export function Shell() {
  const tab = useTab();
  const [language, setLanguage] = useLanguage();
  const [theme, setTheme] = useTheme();
  const texts = TEXTS[language];
  useEffect(() => {
    document.title = `${texts.title} · ${texts.tabs[tab]}`;
  }, [texts, tab]);
  return (
    <TextsContext.Provider value={texts}>
      <a class="skip" href="#content" onClick={toContent}>{texts.skip}</a>
      <header class="top">
        <p class="brand">
          <img src="icon.svg" alt="" width={28} height={28} />
          <strong>{texts.title}</strong>
          <span>{texts.tagline}</span>
        </p>
        <nav aria-label={texts.tabs.label}>
          {TABS.map((name) => (
            <a key={name} href={`#${name}`} aria-current={name === tab ? "page" : undefined}>
              {texts.tabs[name]}
            </a>
          ))}
        </nav>
        <p class="preferences">
          <label>
            <span class="hidden">{texts.language}</span>
            <select
              value={language}
              onChange={({ currentTarget: { value } }) =>
                setLanguage(LANGUAGES.find((known) => known === value)!)}
            >
              {LANGUAGES.map((known) => (
                <option key={known} value={known} lang={known}>{NAMES[known]}</option>
              ))}
            </select>
          </label>
          <label>
            <span class="hidden">{texts.theme.label}</span>
            <select
              value={theme}
              onChange={({ currentTarget: { value } }) =>
                setTheme(THEMES.find((known) => known === value)!)}
            >
              {THEMES.map((known) => <option key={known} value={known}>{texts.theme[known]}
              </option>)}
            </select>
          </label>
        </p>
      </header>
      <main id="content" tabIndex={-1}>
        {/* Both stay, so that going to and fro loses nothing. */}
        <div hidden={tab !== "quantize"}>
          <QuantizeTab />
        </div>
        <div hidden={tab !== "tutorial"}>
          <TutorialTab shown={tab === "tutorial"} />
        </div>
      </main>
      <footer>
        {texts.privacy} <a href="licences.txt">{texts.licences}</a>
      </footer>
    </TextsContext.Provider>
  );
}

/** Goes to the content without changing the address, which names the tab. */
function toContent(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}
