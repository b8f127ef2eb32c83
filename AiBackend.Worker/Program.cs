using AiBackend.Worker;
using AiBackend.Worker.Execution.Attached;

// A document of somebody's is read by itself, with nothing of ours around it, not even loaded.
return args is [PdfReader.Command, _, _, _] ? PdfReader.Run(args) : await WorkerProgram.RunAsync(args);
