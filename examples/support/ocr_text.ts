/**
 * What stands on the lines that `ocr_lines.ts` draws: English words, numbers, and Chinese.
 *
 * @module
 */
import type { SeededRandom } from "./seeded_random.ts";

/** The writing of a text, which decides on the fonts that have it. */
export type Script = "latin" | "chinese";

/** What stands on a line. */
export interface LineText {
  readonly text: string;
  readonly script: Script;
}

const WORDS = (
  "about account above across after again almost along always amount answer april area around " +
  "autumn balance before begin behind between black blue board bridge bring build business button " +
  "cabinet camera capital careful center change cheese children choose circle city clear climate " +
  "coffee color common company complete corner cotton country course cover create crystal current " +
  "danger daughter decide delivery different dinner doctor double dream early earth east edge eight " +
  "electric energy engine enough equal evening example express family famous father field figure " +
  "final finger finish flight flower follow forest forward fresh friday friend garden gentle glass " +
  "golden ground hammer harbor health heavy history hotel hundred important increase island january " +
  "journey jungle kitchen knowledge ladder language large learn letter library light little machine " +
  "market matter meadow member middle minute modern monday money morning mother mountain museum " +
  "music nature needle never night north notice number object ocean office orange order other " +
  "paper parcel people period picture planet platform please pocket point possible power present " +
  "price problem product public quality quarter question quick quiet railway ready reason receipt " +
  "record region remember report river round safety science season second service seven shadow " +
  "silver simple single sister smooth south special spring square station stone street strong " +
  "student summer sunday supply system table teacher thank theatre through ticket today together " +
  "total toward travel tuesday under update value vehicle village voice volume water weather " +
  "wednesday weight welcome winter without wonder world yellow yesterday zebra"
).split(" ");

const PHRASES = [
  ..."北京 上海 广州 图书馆 天气 学校 火车站 飞机场 公园 医院 银行 邮局 餐厅 超市 电影院".split(
    " ",
  ),
  ..."今天 明天 星期一 春天 夏天 秋天 冬天 早上 晚上 中午 时间 地点 价格 合计 数量 日期".split(" "),
  ..."请勿吸烟 小心地滑 欢迎光临 禁止停车 开放时间 安全出口 身份证 有限公司 服务中心".split(" "),
  ..."高速公路 人民 中国 世界 城市 山水 花园 咖啡 茶叶 米饭 面条 水果 苹果 牛奶 音乐".split(" "),
  ..."电话 地址 姓名 编号 收据 发票 订单 会员 优惠 免费 营业 入口 出口 电梯 洗手间".split(" "),
];

/** A number as receipts, forms and signs have it. */
function number(random: SeededRandom): string {
  const two = (max: number) => String(random.integer(1, max)).padStart(2, "0");
  const digits = (count: number) =>
    Array.from({ length: count }, () => random.integer(0, 9)).join("");
  const letter = () => String.fromCharCode(65 + random.integer(0, 25));
  return random.pick([
    () => `${random.integer(1, 999)}.${digits(2)}`,
    () => `$${random.integer(1, 99)}.${digits(2)}`,
    () => `${random.integer(1990, 2039)}-${two(12)}-${two(28)}`,
    () => `${two(23)}:${two(59)}`,
    () => `${letter()}${letter()}-${digits(4)}`,
    () => digits(random.integer(3, 8)),
    () => `${random.integer(1, 99)}%`,
    () => `(${digits(3)}) ${digits(3)}-${digits(4)}`,
  ])();
}

/** A word in lower case, as a name, or in capitals. */
function word(random: SeededRandom): string {
  const plain = random.pick(WORDS);
  const spelled = random.uniform();
  if (spelled < 0.15) return plain.toUpperCase();
  return spelled < 0.4 ? plain[0].toUpperCase() + plain.slice(1) : plain;
}

/** What stands on one line. */
export function lineText(random: SeededRandom): LineText {
  const kind = random.uniform();
  if (kind < 0.3) {
    const phrases = Array.from({ length: random.integer(1, 3) }, () => random.pick(PHRASES));
    if (random.uniform() < 0.3) phrases.push(String(random.integer(1, 9999)));
    return { text: phrases.join(""), script: "chinese" };
  }
  const parts = kind < 0.45
    ? [number(random)]
    : Array.from({ length: random.integer(1, 4) }, () => word(random));
  if (kind > 0.75) parts.push(number(random));
  return { text: parts.join(" "), script: "latin" };
}
