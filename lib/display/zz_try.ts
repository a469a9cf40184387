const t0=performance.now();
const Plot = await import("@observablehq/plot");
const { parseHTML } = await import("linkedom");
const { document } = parseHTML("<!doctype html><html><body></body></html>");
console.log(performance.now()-t0);
const svg = Plot.plot({ document, width: 400, height: 200, x:{label:"value"}, marks: [Plot.rectY([1,2,2,3,4,4,4], Plot.binX({y:"count"},{x:(d:number)=>d})), Plot.ruleX([0]), Plot.text(["a<b&c"],{x:()=>2,y:()=>2, text:(d:string)=>d})] });
console.log(svg.tagName, String((svg as any).outerHTML).slice(0,1500));
