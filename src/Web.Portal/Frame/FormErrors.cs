using Microsoft.AspNetCore.Mvc.Rendering;
using Microsoft.AspNetCore.Mvc.ViewFeatures;
using Microsoft.AspNetCore.Razor.TagHelpers;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>
/// <c>&lt;form-errors /&gt;</c>: what is wrong with a form as a whole, at its head; with <c>all</c> the fields' errors too. In place of the framework's summary,
/// whose inline style the content policy forbids. Nothing where nothing is wrong.
/// </summary>
[HtmlTargetElement("form-errors", TagStructure = TagStructure.WithoutEndTag)]
public sealed class FormErrors : TagHelper
{
    [ViewContext, HtmlAttributeNotBound]
    public ViewContext ViewContext { get; set; } = null!;

    public bool All { get; set; }

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        var errors = ViewContext.ModelState.Where(e => All || e.Key.Length == 0).SelectMany(e => e.Value!.Errors).Select(e => e.ErrorMessage).Distinct().ToList();
        if (errors.Count == 0)
        {
            output.SuppressOutput();
            return;
        }

        output.TagName = "div";
        output.TagMode = TagMode.StartTagAndEndTag;
        output.Attributes.SetAttribute("class", "validation-summary-errors");
        output.Attributes.SetAttribute("role", "alert");
        output.Content.AppendHtml("<ul>");
        foreach (var error in errors)
        {
            output.Content.AppendHtml("<li>");
            output.Content.Append(error);
            output.Content.AppendHtml("</li>");
        }

        output.Content.AppendHtml("</ul>");
    }
}
