using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal.Tests;

public sealed class CsvTests
{
    [Theory]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+1", "'+1")]
    [InlineData("-1", "'-1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\tx", "'\tx")]
    [InlineData("\rx", "\"'\rx\"")]
    [InlineData("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"")]
    [InlineData("acme", "acme")]
    [InlineData("a=b", "a=b")]
    [InlineData("", "")]
    public void A_text_that_a_spreadsheet_would_run_gets_an_apostrophe(string text, string cell) => new Csv().Row(text).ToString().ShouldBe(cell + "\r\n");

    [Fact]
    public void Numbers_are_plain_so_that_they_add_up() =>
        new Csv().Row(-5L, new NanoUsd(-1_500_000_000), 0.5m, null, new DateTimeOffset(2026, 11, 30, 1, 2, 3, TimeSpan.FromHours(1))).ToString().ShouldBe("-5,-1.5,0.5,,2026-11-30T00:02:03Z\r\n");

    [Fact]
    public void Quotes_commas_and_lines_are_kept() => new Csv().Row("a,b", "say \"hi\"", "two\nlines").ToString().ShouldBe("\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\r\n");

    [Fact]
    public void Every_cell_of_every_row_is_guarded()
    {
        var csv = new Csv().Row("name", "=x").Cell("@y").Cell("z").End();
        csv.ToString().ShouldBe("name,'=x\r\n'@y,z\r\n");
    }
}
