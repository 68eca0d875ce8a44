package main

import (
	"fmt"
	"html"
	"strings"
)

// The plot's measures, in pixels.
const (
	plotWidth = 1020
	plotLeft  = 380
	plotRight = 250
	plotTop   = 56
	rowHeight = 24
	barHeight = 12
)

// plotEnd is the share of a target at which bars are cut.
const plotEnd = 2.0

// share is how much of the target a value is: 1 just meets it, more is better.
func (r result) share(v float64) float64 {
	switch {
	case r.Target.AtLeast:
		return v / r.Target.Value
	case v <= 0:
		return plotEnd
	}
	return r.Target.Value / v
}

// plot draws each measure as a bar of its share of the target, with its interval.
func (r *report) plot() string {
	height := plotTop + rowHeight*len(r.Results) + 40
	x := func(share float64) float64 {
		return plotLeft + (plotWidth-plotLeft-plotRight)*min(share, plotEnd)/plotEnd
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" role="img">
<title>Each measure as a share of its target</title>
<style>
  .page { fill: #fff } .text { fill: #222 } .faint { fill: #666 } .grid { stroke: #ddd } .target { stroke: #222; stroke-width: 1.5 }
  .met { fill: #3b7f5c } .missed { fill: #b5543c } .other { fill: #8a8f98 } .interval { stroke: #222; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #16181c } .text { fill: #e6e6e6 } .faint { fill: #a0a0a0 } .grid { stroke: #33373d } .target, .interval { stroke: #e6e6e6 }
  }
</style>
<rect class="page" width="%d" height="%d"/>
`, plotWidth, height, plotWidth, height)
	fmt.Fprintf(&b, `<text class="text" x="16" y="24" font-size="16">Each measure as a share of its target: 1 meets it, further right is better</text>`+"\n")
	for _, tick := range []float64{0, 0.5, 1, 1.5, 2} {
		class := "grid"
		if tick == 1 {
			class = "target"
		}
		fmt.Fprintf(&b, `<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text class="faint" x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n",
			class, x(tick), plotTop-6, x(tick), height-30, x(tick), height-12, tick)
	}
	for i, got := range r.Results {
		r.plotRow(&b, got, plotTop+rowHeight*i, x)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (r *report) plotRow(b *strings.Builder, got result, top int, x func(float64) float64) {
	class := map[string]string{"met": "met", "missed": "missed"}[r.verdict(got)]
	if class == "" || got.Key == controlKey {
		class = "other"
	}
	middle := top + rowHeight/2
	fmt.Fprintf(b, `<text class="text" x="%d" y="%d" text-anchor="end">%s</text>`, plotLeft-10, middle+4, html.EscapeString(got.Title))
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"/>`,
		class, x(0), middle-barHeight/2, x(got.share(got.Estimate.Median))-x(0), barHeight)
	if len(got.Values) > 1 {
		fmt.Fprintf(b, `<line class="interval" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`,
			x(got.share(got.Estimate.Low)), middle, x(got.share(got.Estimate.High)), middle)
	}
	fmt.Fprintf(b, `<text class="faint" x="%d" y="%d">%s %s (%s)</text>`+"\n",
		plotWidth-plotRight+10, middle+4, figure(got.Estimate.Median), html.EscapeString(got.Unit), got.asked())
}
