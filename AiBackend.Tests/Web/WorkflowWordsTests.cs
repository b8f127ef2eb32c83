using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Web.Workflows;

namespace AiBackend.Tests.Web;

public sealed class WorkflowWordsTests
{
    [Theory]
    [InlineData("workflow", "greet v1", "greet", 1)]
    [InlineData("workflow", "Greet_all.DE-2 v12", "Greet_all.DE-2", 12)]
    [InlineData("workflow", "greet v1\n", null, 0)]
    [InlineData("workflow", "greet v99999999999", null, 0)]
    [InlineData("workflow", "A title of its own", null, 0)]
    [InlineData("chat", "greet v1", null, 0)]
    public void A_run_is_of_the_workflow_that_its_title_names(string type, string title, string? name, int version)
    {
        var job = Jobs.Some(JobStatuses.Completed) with { Type = type, Title = title };

        Assert.Equal(name is null ? null : (name, version), WorkflowWords.Of(job));
    }

    [Fact]
    public void A_step_says_that_its_tool_is_called_without_a_job() =>
        Assert.Equal(
            ["at once, without a job"],
            WorkflowWords.Facts(
                new WorkflowStep
                {
                    Type = StepTypes.Tool,
                    Tool = "t",
                    Inline = true,
                }
            )
        );
}
