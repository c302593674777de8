using System.Text;
using Tokonomics.Application.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class RequestOutlineTests
{
    private static RequestOutline Of(string body, string salt = "key_a") => RequestOutline.Of(Encoding.UTF8.GetBytes(body), salt);

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function"}]}""", true)]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"}],"tools":[ ]}""", false)]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"}],"tools":null}""", false)]
    [InlineData("""{"messages":[{"role":"user","content":"tools"}]}""", false)]
    [InlineData("""{"functions":[{"name":"f"}]}""", true)]
    public void Tools_are_seen_where_some_are_offered(string body, bool hasTools) => Of(body).HasTools.ShouldBe(hasTools);

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{}]},{"role":"tool","tool_call_id":"1","content":"4"}]}""", true)]
    [InlineData("""{"messages":[{"role":"tool","tool_call_id":"1","content":"4"},{"role":"user","content":"thanks"}]}""", false)]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"4"}]}]}""", true)]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"text","text":"tool_result"}]}]}""", false)]
    [InlineData("""{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}""", true)]
    [InlineData("""{"input":[{"role":"user","content":"x"},{"type":"function_call_output","call_id":"1","output":"4"}]}""", true)]
    [InlineData("""{"input":"function_call_output"}""", false)]
    public void A_tools_result_at_the_end_is_a_loop_that_runs(string body, bool inLoop) => Of(body).InToolLoop.ShouldBe(inLoop);

    [Theory]
    [InlineData("""{"model":"a","messages":[{"role":"system","content":"Be brief"},{"role":"user","content":"Hi"}""", """]}""", """,{"role":"assistant","content":"Hello"},{"role":"user","content":"Go on"}],"temperature":1}""")]
    [InlineData("""{"system":"Be brief","messages":[{"role":"user","content":"Hi"}""", """]}""", """,{"role":"assistant","content":"Hello"},{"role":"user","content":"Go on"}]}""")]
    [InlineData("""{"systemInstruction":{"parts":[{"text":"Be brief"}]},"contents":[{"role":"user","parts":[{"text":"Hi"}]}""", """]}""", """,{"role":"model","parts":[{"text":"Hello"}]}]}""")]
    public void Requests_of_one_conversation_have_one_number(string begins, string first, string later)
    {
        var conversation = Of(begins + first).Conversation;
        conversation.ShouldNotBe(0UL);
        Of(begins + first).GoesOn.ShouldBeFalse();
        Of(begins + later).GoesOn.ShouldBeTrue();
        Of(begins + later).Conversation.ShouldBe(conversation);
        Of((begins + first).Replace("Hi", "Ho", StringComparison.Ordinal)).Conversation.ShouldNotBe(conversation);
        Of((begins + first).Replace("brief", "quick", StringComparison.Ordinal)).Conversation.ShouldNotBe(conversation);
        Of(begins + first, "key_b").Conversation.ShouldNotBe(conversation);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("""{"messages":[{"role":""")]
    [InlineData("""{"messages":"x","tools":5}""")]
    [InlineData("nonsense")]
    [InlineData("""{"messages":[1,null,[{"role":"tool"}],{"role":{"a":"tool"}}]}""")]
    public void Whatever_the_body_is_nothing_is_thrown(string body) => Of(body).InToolLoop.ShouldBeFalse();
}
